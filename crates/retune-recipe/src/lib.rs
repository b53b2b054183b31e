//! Recipes in TOML, checked whole and resolved to a plan.
//!
//! A [`Recipe`] is what the user wrote, in a file, in flags or in both; every value remembers where it was said. A
//! [`Plan`] is what the program runs on: every value is there, has its own type and lies in its range. Between the two
//! stands one table, [`keys()`], of the keys there are. The check, the defaults, the documentation and the text of
//! `plan.toml` all come from it.
//!
//! [`Recipe::resolve`] reports *every* problem of a recipe at once, each with the place where it was said. Nothing
//! here looks at the disk, apart from [`Recipe::from_file`], which reads the recipe: whether a data file exists is the
//! business of those who open it.
//!
//! A section `[sweep]` says what a search over recipes tries. [`Recipe::resolve`] passes it over; [`Recipe::sweep`]
//! reads it, and reports its problems.
//!
//! Relative paths in a recipe file are relative to the current directory, as they are on the command line, and not to
//! the folder of the recipe. So a flag and a line of the recipe that say the same mean the same.
//!
//! ```
//! use retune_recipe::{DeviceChoice, Recipe};
//!
//! let text = r#"
//!     [model]
//!     path = "sentence-transformers/all-MiniLM-L6-v2"
//!
//!     [data]
//!     train = "train.csv"
//!     text = "sentence"
//!     label = "label"
//! "#;
//! let mut recipe = Recipe::parse(text, "recipes/mine.toml")?;
//! recipe.set("run.device", "cuda:1", "--device");
//! let plan = recipe.resolve()?;
//! assert_eq!(plan.run.device, DeviceChoice::Cuda(1));
//! assert_eq!(plan.train.epochs, 3.0);
//! # Ok::<(), retune_recipe::RecipeError>(())
//! ```

mod check;
mod choices;
mod keys;
mod metric;
mod nearest;
mod plan;
mod problem;
mod recipe;
mod render;
mod resolve;
mod sections;
mod space;
mod strategy;
mod sweep;
mod task;
mod value;
mod walk;

pub use choices::{ChoiceError, DataFormat, DeviceChoice, Precision};
pub use keys::{Fallback, Key, Kind, Range, keys};
pub use metric::SelectionMetric;
pub use plan::Plan;
pub use problem::{Origin, Problem, ProblemKind, RecipeError, Said};
pub use recipe::Recipe;
pub use sections::{
    AdapterPlan, CheckpointPlan, DataPlan, EvaluationPlan, FewShotPlan, ModelPlan, OptimizerPlan, RegularizationPlan,
    RunPlan, SchedulePlan, TaskPlan, TrainPlan,
};
pub use strategy::{AdapterKind, DecayShape, Factors, NonFinite, OptimizerKind, Sampling, ScheduleKind, Trained};
pub use sweep::{Dimension, KeepChoice, SamplerChoice, SweepDomain, SweepPlan, sweep_keys};
pub use task::{HeadChoice, LossChoice, PoolingChoice, TaskKind, Weights};
pub use value::Value;
