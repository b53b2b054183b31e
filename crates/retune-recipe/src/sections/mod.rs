//! Every key of a recipe, a file for each section. A new key is one entry there: its field in the plan, its place in
//! the table of keys, its default, its flag, its documentation and its line of `plan.toml` are all made of it. What a
//! default depends on, where it depends on other keys, is said in `resolve.rs`.

use std::sync::LazyLock;

use crate::keys::{Key, Kind};
use crate::value::Value;

mod adapter;
mod checkpoint;
mod data;
mod evaluation;
mod few_shot;
mod model;
mod optimizer;
mod regularization;
mod run;
mod schedule;
mod task;
mod train;

pub use adapter::AdapterPlan;
pub use checkpoint::CheckpointPlan;
pub use data::DataPlan;
pub use evaluation::EvaluationPlan;
pub use few_shot::FewShotPlan;
pub use model::ModelPlan;
pub use optimizer::OptimizerPlan;
pub use regularization::RegularizationPlan;
pub use run::RunPlan;
pub use schedule::SchedulePlan;
pub use task::TaskPlan;
pub use train::TrainPlan;

const AT_LEAST_ONE: Kind = Kind::Integer { min: 1 };

/// The path of each key with its value, where it has one.
pub(crate) type Entries = Vec<(&'static str, Option<Value>)>;

/// Declares a section: a struct of the plan, and the keys of a recipe that its fields come from.
macro_rules! section {
    ($(#[$meta:meta])* $plan:ident in $section:literal {
        $($field:ident: $type:ty = $kind:expr, $fallback:expr, $doc:expr $(, flag $flag:literal)?;)+
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $plan {
            $(#[doc = $doc] pub $field: $type,)+
        }

        impl $plan {
            pub(crate) const KEYS: &[crate::keys::Key] = &[$(
                crate::keys::key(concat!($section, ".", stringify!($field)), $kind, $fallback, $doc)$(.flag($flag))?,
            )+];

            pub(crate) fn resolve(resolver: &mut crate::resolve::Resolver<'_>) -> Option<Self> {
                // All are asked for before any is needed, so that all that are missing are named.
                $(let $field = resolver.get(concat!($section, ".", stringify!($field)));)+
                Some(Self { $($field: $field?,)+ })
            }

            pub(crate) fn entries(&self) -> crate::sections::Entries {
                use crate::value::Field;
                vec![$((concat!($section, ".", stringify!($field)), self.$field.entry()),)+]
            }
        }
    };
}

use section;

/// The table of keys, in the order in which recipes, plans and the documentation list them.
pub(crate) static KEYS: LazyLock<Vec<Key>> = LazyLock::new(|| {
    [
        ModelPlan::KEYS,
        TaskPlan::KEYS,
        DataPlan::KEYS,
        FewShotPlan::KEYS,
        TrainPlan::KEYS,
        OptimizerPlan::KEYS,
        SchedulePlan::KEYS,
        RegularizationPlan::KEYS,
        AdapterPlan::KEYS,
        CheckpointPlan::KEYS,
        EvaluationPlan::KEYS,
        RunPlan::KEYS,
    ]
    .concat()
});
