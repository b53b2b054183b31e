//! The Hub: which files to take, and the order in which they come to lie in the cache.
//!
//! A revision is resolved once, to a commit, and every file is taken at that commit, so that a push in between cannot
//! mix two versions. The branch's entry under `refs` moves last: a download that breaks off leaves the cache meaning
//! what it meant, with some files more.

use crate::cache::CachedRepository;
use crate::files::{self, CONFIG, INDEX, OPTIONAL, PICKLES, TOKENIZER, WEIGHTS};
use crate::probe::Description;
use crate::repository::Repository;
use crate::transfer::Transfer;
use crate::{Environment, HubError, ModelFiles, ModelRequest, Origin, probe};

/// Brings the model's files into the Hugging Face cache, except those that are there.
pub(crate) fn fetch(
    request: &ModelRequest,
    environment: &Environment,
    notice: &mut dyn FnMut(&str),
) -> Result<ModelFiles, HubError> {
    let repository = Repository::of_model(request);
    let info = probe::describe(&repository, environment)?;
    let cached = CachedRepository::new(&environment.hub_cache, &repository);
    let directory = cached.snapshot(&info.commit);
    let transfer = Transfer::new(&repository, environment, &info.commit);

    let files = needed(request, environment, &info)?;
    if files.iter().any(|file| !directory.join(file).is_file()) {
        let (endpoint, cache) = (&environment.endpoint, environment.hub_cache.display());
        notice(&format!("downloading {} from {endpoint} to {cache} …", request.name));
    }
    transfer.run(&directory, &files, notice)?;
    if files.iter().any(|file| file == INDEX) {
        let shards = files::shards(&directory)?;
        let missing: Vec<String> = shards.iter().filter(|shard| !info.holds(shard)).cloned().collect();
        if !missing.is_empty() {
            return Err(not_on_hub(request, missing));
        }
        transfer.run(&directory, &shards.into_iter().collect::<Vec<_>>(), notice)?;
    }
    cached.point(&request.revision, &info.commit)?;
    Ok(ModelFiles { directory, origin: Origin::Hub { commit: info.commit } })
}

/// The files to take of those that the repository holds; shards come later, once the index can be read.
fn needed(request: &ModelRequest, environment: &Environment, info: &Description) -> Result<Vec<String>, HubError> {
    let weights = if info.holds(WEIGHTS) || !info.holds(INDEX) { WEIGHTS } else { INDEX };
    let tokenizer = files::tokenizer(|file| info.holds(file));
    let mut missing: Vec<String> =
        [CONFIG, weights].into_iter().filter(|file| !info.holds(file)).map(str::to_owned).collect();
    if tokenizer.is_empty() {
        missing.push(TOKENIZER.to_owned());
    }
    if missing.iter().any(|file| file == WEIGHTS) && PICKLES.iter().any(|file| info.holds(file)) {
        let place = format!("{}/{}", environment.endpoint, request.name);
        return Err(HubError::Pickle { name: request.name.clone(), place });
    }
    if !missing.is_empty() {
        return Err(not_on_hub(request, missing));
    }
    // The weights last: whatever is wrong with the small files shows before the long download.
    let optional = OPTIONAL.into_iter().filter(|file| info.holds(file) && !tokenizer.contains(file));
    let small = [CONFIG].into_iter().chain(tokenizer.iter().copied()).chain(optional);
    Ok(small.chain([weights]).map(str::to_owned).collect())
}

fn not_on_hub(request: &ModelRequest, missing: Vec<String>) -> HubError {
    HubError::NotOnHub { name: request.name.clone(), revision: request.revision.clone(), missing }
}
