//! Going on from a stored adapter, as a recipe names it in `adapter.path`.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tests::{Job, Reference, Result};

use crate::{assert_same, fails, finetune, resume, succeeds};

const ADAPTER: &str = "adapter/adapter_model.safetensors";

/// The command that fine-tunes into `run` by a recipe.
pub(crate) fn with_recipe(job: &Job, run: &str, text: &str) -> Result<Command> {
    let file = format!("{run}.toml");
    job.write(&file, text)?;
    Ok(job.command(&["finetune", "--recipe", &file, "--output", run]))
}

/// A recipe that goes on from an adapter.
fn recipe(job: &Job, adapter: &Path, train: &str) -> String {
    format!(
        "[model]\npath = {:?}\n\n[data]\ntrain = \"train.csv\"\nvalidation = \"dev.csv\"\ntext = \"text\"\nlabel = \"label\"\n\
         max_length = 16\n\n[train]\nbatch_size = 4\n{train}\n\n[adapter]\npath = {adapter:?}\n\n[evaluation]\n\
         bootstrap_samples = 20\n\n[run]\ndevice = \"cpu\"\nthreads = 1\n",
        job.model()
    )
}

/// A run with a new adapter, under the name `first`.
fn first(job: &Job) -> Result<()> {
    let assignments =
        ["train.epochs=4", "train.learning_rate=0.01", "adapter.kind=lora", "adapter.rank=3", "adapter.alpha=6"];
    succeeds(finetune(job, "first", &assignments))?;
    Ok(())
}

/// How far two files of tensors are apart at most; they must have the same names and shapes.
fn distance(found: &Path, expected: &Path) -> Result<f64> {
    let [found, expected] = [Reference::open(found)?, Reference::open(expected)?];
    let prefixes = ["base_model", "bert", "classifier"];
    let names = |file: &Reference| -> Vec<String> {
        prefixes.iter().flat_map(|part| file.names(part).map(move |name| format!("{part}.{name}"))).collect()
    };
    assert_eq!(names(&found), names(&expected));
    assert!(names(&found).len() > 4);
    let mut largest = 0.0_f64;
    for name in names(&found) {
        let (found, expected) = (found.tensor(&name)?, expected.tensor(&name)?);
        assert_eq!(found.size(), expected.size(), "{name}");
        largest = largest.max((found - expected).abs().max().double_value(&[]));
    }
    Ok(largest)
}

#[test]
fn a_run_begins_with_the_adapter_and_the_head_that_another_left() -> Result<()> {
    let job = Job::new()?;
    first(&job)?;
    // A step that moves nothing shows where it began.
    let train = "max_steps = 1\nlearning_rate = 1e-12\nweight_decay = 0.0";
    succeeds(with_recipe(&job, "second", &recipe(&job, Path::new("first/adapter"), train))?)?;
    for file in [ADAPTER, "model/model.safetensors"] {
        let apart = distance(&job.path("second").join(file), &job.path("first").join(file))?;
        assert!(apart < 1e-7, "{file}: {apart}");
    }
    let config = |run: &str| -> Result<Value> {
        Ok(serde_json::from_str(&fs::read_to_string(job.path(run).join("adapter/adapter_config.json"))?)?)
    };
    let (found, expected) = (config("second")?, config("first")?);
    assert_eq!((&found["r"], &found["lora_alpha"]), (&Value::from(3), &Value::from(6)));
    for key in ["peft_type", "target_modules", "modules_to_save", "r", "lora_alpha", "use_dora"] {
        assert_eq!(found[key], expected[key], "{key}");
    }
    Ok(())
}

#[test]
fn it_goes_on_from_there_and_moves_nothing_else() -> Result<()> {
    let job = Job::new()?;
    first(&job)?;
    let recipe = recipe(&job, Path::new("first/adapter"), "epochs = 2\nlearning_rate = 0.01");
    succeeds(with_recipe(&job, "second", &recipe)?)?;
    let moved = distance(&job.path("second").join(ADAPTER), &job.path("first").join(ADAPTER))?;
    assert!(moved > 1e-3, "{moved}");
    let [found, base] = [job.path("second/model"), job.model().to_owned()];
    let [found, base] = [found, base].map(|folder| Reference::open(&folder.join("model.safetensors")));
    let (found, base) = (found?, base?);
    for name in base.names("bert") {
        let name = format!("bert.{name}");
        let adapted = name.ends_with("query.weight") || name.ends_with("value.weight");
        assert_eq!(found.tensor(&name)?.equal(&base.tensor(&name)?), !adapted, "{name}");
    }
    let mut command = with_recipe(&job, "paused", &recipe)?;
    command.args(["--pause-after-epoch", "1"]);
    succeeds(command)?;
    succeeds(resume(&job, "paused"))?;
    assert_same(&job, "paused", "second", "an adapter that goes on")?;
    assert!(fs::read(job.path("paused").join(ADAPTER))? == fs::read(job.path("second").join(ADAPTER))?);
    Ok(())
}

#[test]
fn what_is_no_adapter_of_the_model_is_named() -> Result<()> {
    let job = Job::new()?;
    let other = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/adapters/bert.sequence_classification.lora");
    let cases: [(&Path, &[&str]); 3] = [
        (Path::new("nowhere"), &["nowhere", "adapter_config.json"]),
        (job.model(), &["adapter_config.json"]),
        (&other, &["the adapter does not fit the model", "expected [4, 32], found [4, 16]; is this its base model?"]),
    ];
    for (adapter, expected) in cases {
        let said = fails(with_recipe(&job, "out", &recipe(&job, adapter, "epochs = 1"))?)?;
        for words in expected {
            assert!(said.contains(words), "no '{words}' in {said}");
        }
        assert!(!job.path("out").exists(), "{}", adapter.display());
    }
    let both =
        recipe(&job, Path::new("first/adapter"), "epochs = 1").replace("[adapter]", "[adapter]\nkind = \"lora\"");
    let said = fails(with_recipe(&job, "out", &both)?)?;
    assert!(said.contains("adapter.kind") && said.contains("adapter.path"), "{said}");
    Ok(())
}
