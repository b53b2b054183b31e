//! A batch in parts is the batch.

use tests::{Job, Result};

use crate::{finetune, numbers, succeeds, without_dropout};

/// Rows whose lengths are as unequal as can be: 4 to 16 tokens.
fn unequal_rows() -> String {
    let row = |row: usize| match row % 3 {
        0 => format!("a {}good film,positive\n", "very ".repeat(11)),
        1 => "bad film,negative\n".to_owned(),
        _ => {
            format!(
                "the {}bad film,{}\n",
                "very ".repeat(row % 7),
                if row.is_multiple_of(2) { "positive" } else { "negative" }
            )
        }
    };
    format!("text,label\n{}", (0..24).map(row).collect::<String>())
}

const PLAN: [&str; 3] = ["train.max_steps=9", "train.batch_size=8", "train.epochs=3"];

#[test]
fn parts_of_so_many_tokens_give_the_losses_and_gradients_of_the_whole() -> Result<()> {
    let job = Job::new()?;
    without_dropout(&job)?;
    job.write("train.csv", unequal_rows())?;
    succeeds(finetune(&job, "whole", &PLAN))?;
    for limit in ["train.micro_batch_tokens=1", "train.micro_batch_tokens=20", "train.micro_batch_tokens=40"] {
        succeeds(finetune(&job, limit, &[&PLAN[..], &[limit]].concat()))?;
        for name in ["loss", "gradient_norm"] {
            let [found, expected] = [limit, "whole"].map(|run| numbers(&job, run, "train", name));
            let (found, expected) = (found?, expected?);
            assert_eq!((found.len(), expected.len()), (9, 9));
            for (step, (found, expected)) in found.iter().zip(&expected).enumerate() {
                let apart = (found - expected).abs() / expected.abs();
                assert!(apart < 1e-5, "{limit}, step {}: {name} {found} instead of {expected}", step + 1);
            }
        }
    }
    Ok(())
}

/// That the test above is about parts: with dropout, each part draws for itself.
#[test]
fn parts_are_computed_one_after_another() -> Result<()> {
    let job = Job::new()?;
    job.write("train.csv", unequal_rows())?;
    let mut seen = Vec::new();
    for limit in ["1", "40", "1000000"] {
        let assignment = format!("train.micro_batch_tokens={limit}");
        succeeds(finetune(&job, limit, &[&PLAN[..], &[&assignment]].concat()))?;
        seen.push(numbers(&job, limit, "train", "loss")?[1]);
    }
    assert!(seen[0] != seen[1] && seen[1] != seen[2] && seen[0] != seen[2], "{seen:?}");
    Ok(())
}
