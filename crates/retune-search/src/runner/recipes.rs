//! Points of a space as recipes.

use retune_recipe::{Dimension, Recipe, SweepDomain, SweepPlan, Value};

use crate::{Domain, Parameter, Scale, SearchError};

/// Each choice, or both ends.
pub(crate) fn ends(domain: &SweepDomain) -> Vec<f64> {
    match domain {
        SweepDomain::Choices(values) => (0..values.len()).map(|place| place as f64).collect(),
        SweepDomain::Range { min, max, .. } => vec![*min, *max],
    }
}

pub(crate) fn first_point(plan: &SweepPlan) -> Vec<f64> {
    plan.space.iter().filter_map(|dimension| ends(&dimension.values).first().copied()).collect()
}

/// Checks recipes of the space before anything runs: for each key, each choice or both ends.
pub(crate) fn check_space(recipe: &Recipe, plan: &SweepPlan) -> Result<(), SearchError> {
    let first = first_point(plan);
    for (place, dimension) in plan.space.iter().enumerate() {
        for end in ends(&dimension.values) {
            let mut point = first.clone();
            point[place] = end;
            recipe_at(recipe, plan, &point).resolve()?;
        }
    }
    Ok(())
}

/// The value of each key at a point.
pub(crate) fn values_at(plan: &SweepPlan, point: &[f64]) -> Vec<(&'static str, Value)> {
    let value = |(dimension, &number): (&Dimension, &f64)| match &dimension.values {
        SweepDomain::Choices(values) => (dimension.key, values[(number as usize).min(values.len() - 1)].clone()),
        SweepDomain::Range { .. } => (dimension.key, dimension.number(number)),
    };
    plan.space.iter().zip(point).map(value).collect()
}

/// The recipe with the values of a point.
pub(crate) fn recipe_at(recipe: &Recipe, plan: &SweepPlan, point: &[f64]) -> Recipe {
    let mut recipe = recipe.without_sweep();
    for (key, value) in values_at(plan, point) {
        recipe.set(key, &value.to_string(), format!("sweep.space.\"{key}\""));
    }
    if plan.parallel > 1 && recipe.origin("run.threads").is_none() {
        let threads = std::thread::available_parallelism().map_or(1, |all| (all.get() / plan.parallel).max(1));
        recipe.set("run.threads", &threads.to_string(), "sweep.parallel");
    }
    recipe
}

pub(crate) fn parameters(plan: &SweepPlan) -> Vec<Parameter> {
    let domain = |domain: &SweepDomain| match domain {
        SweepDomain::Choices(values) => Domain::Categorical { choices: values.len() },
        SweepDomain::Range { min, max, step, log, .. } => {
            let scale = if *log { Scale::Log } else { Scale::Linear };
            Domain::Numeric { min: *min, max: *max, step: *step, scale }
        }
    };
    let parameter =
        |dimension: &Dimension| Parameter { name: dimension.key.to_owned(), domain: domain(&dimension.values) };
    plan.space.iter().map(parameter).collect()
}
