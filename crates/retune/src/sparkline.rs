//! A curve in a line of text.

/// Numbers as they come in, in at most [`Sparkline::WIDTH`] means of equally many: a point of the curve each.
#[derive(Debug, Clone, Default)]
pub struct Sparkline {
    points: Vec<f64>,
    /// How many numbers a point is the mean of, as a power of two.
    doublings: u32,
    /// The sum and the count of those that make no point yet.
    rest: (f64, u64),
}

impl Sparkline {
    const WIDTH: usize = 32;
    const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

    /// Adds a number; one that is not finite is left out.
    pub fn push(&mut self, number: f64) {
        if !number.is_finite() {
            return;
        }
        self.rest = (self.rest.0 + number, self.rest.1 + 1);
        if self.rest.1 < 1 << self.doublings {
            return;
        }
        if self.points.len() == Self::WIDTH {
            self.points = self.points.chunks(2).map(|pair| pair.iter().sum::<f64>() / pair.len() as f64).collect();
            self.doublings += 1;
            return;
        }
        self.points.push(self.rest.0 / self.rest.1 as f64);
        self.rest = (0.0, 0);
    }
}

impl std::fmt::Display for Sparkline {
    /// The lowest point is the lowest level, the highest one the highest.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let lowest = self.points.iter().copied().fold(f64::INFINITY, f64::min);
        let highest = self.points.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let span = (highest - lowest).max(f64::MIN_POSITIVE);
        self.points.iter().try_for_each(|point| {
            let level = ((point - lowest) / span * (Self::LEVELS.len() - 1) as f64).round() as usize;
            std::fmt::Write::write_char(f, Self::LEVELS[level.min(Self::LEVELS.len() - 1)])
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Sparkline;

    fn of(numbers: impl IntoIterator<Item = f64>) -> Sparkline {
        let mut line = Sparkline::default();
        numbers.into_iter().for_each(|number| line.push(number));
        line
    }

    #[test]
    fn the_levels_span_what_there_is() {
        assert_eq!(of([]).to_string(), "");
        assert_eq!(of([3.0, f64::NAN, 3.0]).to_string(), "▁▁");
        assert_eq!(of((0..8).map(f64::from)).to_string(), "▁▂▃▄▅▆▇█");
    }

    #[test]
    fn however_many_numbers_it_stays_a_line_over_all_of_them() {
        for count in [32, 33, 64, 65, 1000, 100_000] {
            let line = of((0..count).map(f64::from));
            let width = line.points.len();
            assert!((16..=32).contains(&width), "{count} numbers make {width} points");
            // Each is a mean over its own share, in order.
            assert!(line.points.windows(2).all(|pair| pair[0] < pair[1]));
            let each = f64::from(1u32 << line.doublings);
            assert_eq!(line.points[0], (each - 1.0) / 2.0, "{count} numbers");
        }
    }
}
