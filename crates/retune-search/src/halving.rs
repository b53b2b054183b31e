//! Successive halving over epochs (K. Jamieson and A. Talwalkar, "Non-stochastic best arm identification and
//! hyperparameter optimization", AISTATS 2016): every trial trains to the first rung, the best 1/η of those there go on
//! to the next, and so on; those of the last rung train to their end.
//!
//! The rungs lie at r, rη, rη², … epochs, as those of ASHA (L. Li et al., "A system for massively parallel
//! hyperparameter tuning", MLSys 2020), but a rung is decided when all of it is measured: what goes on is a function of
//! what was measured and of nothing else. Each trial runs under the learning-rate schedule of its whole plan and is
//! only paused.

/// The rungs of a sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Halving {
    /// η, at least 2: one of so many goes on.
    pub factor: usize,
    /// r, at least 1: epochs to the first rung.
    pub min_epochs: usize,
}

/// Where a trial stands at a rung.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Standing {
    /// The trial.
    pub trial: usize,
    /// Its loss at the rung, of which less is better; `None` where it failed on the way.
    pub loss: Option<f64>,
}

impl Halving {
    /// The epoch of a rung, from 0, if a trial of so many epochs is paused there: it must have more to train.
    pub fn pause(&self, rung: usize, epochs: f64) -> Option<u64> {
        let factor = u64::try_from(self.factor.max(2)).unwrap_or(2).checked_pow(u32::try_from(rung).ok()?)?;
        let epoch = factor.checked_mul(self.min_epochs.max(1) as u64)?;
        ((epoch as f64) < epochs).then_some(epoch)
    }

    /// How many go on of so many that entered a rung, those that failed included: ⌊n / η⌋, and at least one.
    pub fn quota(&self, entered: usize) -> usize {
        (entered / self.factor.max(2)).max(1)
    }

    /// The trials that go on from a rung, by their number. Of equals the earlier goes on.
    pub fn promoted(&self, rung: &[Standing]) -> Vec<usize> {
        let mut measured: Vec<(f64, usize)> = rung.iter().filter_map(|at| Some((at.loss?, at.trial))).collect();
        measured.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        measured.truncate(self.quota(rung.len()));
        let mut trials: Vec<usize> = measured.into_iter().map(|(_, trial)| trial).collect();
        trials.sort_unstable();
        trials
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HALVING: Halving = Halving { factor: 3, min_epochs: 1 };

    #[test]
    fn rungs_grow_by_the_factor_and_end_before_the_plan_does() {
        let rungs: Vec<Option<u64>> = (0..4).map(|rung| HALVING.pause(rung, 9.0)).collect();
        assert_eq!(rungs, [Some(1), Some(3), None, None]);
        assert_eq!(HALVING.pause(2, 9.5), Some(9));
        assert_eq!(HALVING.pause(500, 1e300), None);
    }

    #[test]
    fn the_best_third_goes_on_and_the_earlier_of_equals() {
        let losses = [0.5, 0.2, 0.9, 0.2, 0.2, 0.8, f64::INFINITY];
        let rung: Vec<Standing> = losses
            .iter()
            .enumerate()
            .map(|(trial, &loss)| Standing { trial, loss: loss.is_finite().then_some(loss) })
            .collect();
        assert_eq!(HALVING.promoted(&rung), [1, 3]);
        assert_eq!(HALVING.promoted(&rung[..2]), [1]);
        assert_eq!(HALVING.promoted(&[Standing { trial: 4, loss: None }]), Vec::<usize>::new());
    }

    proptest! {
        #[test]
        fn nobody_who_stays_is_better_than_one_who_goes_on(
            losses in prop::collection::vec(prop::option::weighted(0.9, 0.0..1.0_f64), 1..40), factor in 2..5_usize
        ) {
            let halving = Halving { factor, min_epochs: 1 };
            let rung: Vec<Standing> = losses.iter().enumerate().map(|(trial, loss)| Standing { trial, loss: *loss }).collect();
            let promoted = halving.promoted(&rung);
            let measured = losses.iter().flatten().count();
            prop_assert_eq!(promoted.len(), halving.quota(losses.len()).min(measured));
            let worst = promoted.iter().filter_map(|trial| losses[*trial]).fold(0.0, f64::max);
            for (trial, loss) in losses.iter().enumerate().filter(|(trial, _)| !promoted.contains(trial)) {
                prop_assert!(loss.is_none_or(|loss| loss >= worst), "{trial}");
            }
        }
    }
}
