//! The first question to the Hub: what a repository's revision stands for, and whether the Hub is there at all.
//!
//! hf-hub has no time limit and keeps the headers of a refusal to itself, and both matter here: a start must not hang
//! on a Hub that never answers, and the header `x-error-code` tells a missing revision from a missing model. So this
//! one request is made here; the files are hf-hub's.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use ureq::config::RedirectAuthHeaders;

use crate::error::TokenUse;
use crate::name::is_commit;
use crate::repository::{Kind, Repository};
use crate::{Environment, HubError};

/// What a revision of a repository stands for.
#[derive(Debug)]
pub(crate) struct Description {
    /// The commit.
    pub(crate) commit: String,
    /// The paths of its files.
    pub(crate) files: Vec<String>,
    /// What the head of its `README.md` says, as JSON; null where it says nothing.
    pub(crate) card: Value,
}

impl Description {
    pub(crate) fn holds(&self, file: &str) -> bool {
        self.files.iter().any(|held| held == file)
    }

    /// From the Hub's answer, where it is one.
    fn of(mut answer: Value) -> Option<Self> {
        let commit = answer["sha"].as_str()?.to_owned();
        let name = |file: &Value| file["rfilename"].as_str().map(str::to_owned);
        let files = answer["siblings"].as_array()?.iter().map(name).collect::<Option<_>>()?;
        Some(Self { commit, files, card: answer["cardData"].take() })
    }
}

/// Asks the Hub which commit the revision is and which files it holds.
///
/// Takes at most [`Limits::reach`](crate::Limits::reach), the look-up of the name included. The question is asked on
/// a thread of its own, so that the limit holds whatever blocks below: ureq has one too, but the C library that looks
/// names up knows of none.
pub(crate) fn describe(repository: &Repository, environment: &Environment) -> Result<Description, HubError> {
    let endpoint = &environment.endpoint;
    if !["https://", "http://"].iter().any(|scheme| endpoint.len() > scheme.len() && endpoint.starts_with(scheme)) {
        return Err(HubError::InvalidEndpoint { endpoint: endpoint.clone() });
    }
    let limit = environment.limits.reach;
    let question = Question {
        url: format!("{endpoint}/api/{}", repository.at(&repository.revision).api_url()),
        token: environment.token.clone(),
        limit,
    };
    tracing::debug!(url = question.url, "asking the Hub");
    let (sender, receiver) = mpsc::channel();
    // Nobody listens any more once the limit is over, and then the answer may be lost.
    thread::spawn(move || sender.send(question.ask()).ok());
    let late = || format!("no answer within {} s", limit.as_secs_f32());
    let reason = match receiver.recv_timeout(limit) {
        Ok(Ok(answer)) => return judge(answer, repository, environment),
        Ok(Err(ureq::Error::Timeout(_))) | Err(RecvTimeoutError::Timeout) => late(),
        Ok(Err(error)) => error.to_string(),
        Err(RecvTimeoutError::Disconnected) => "the request failed".to_owned(),
    };
    Err(HubError::Unreachable { endpoint: endpoint.clone(), name: repository.page(), reason })
}

struct Question {
    url: String,
    token: Option<String>,
    limit: Duration,
}

enum Answer {
    Description(Description),
    Status { status: u16, code: Option<String> },
    NoJson,
}

impl Question {
    fn ask(&self) -> Result<Answer, ureq::Error> {
        let configuration = ureq::Agent::config_builder()
            .timeout_global(Some(self.limit))
            .http_status_as_error(false)
            .redirect_auth_headers(RedirectAuthHeaders::SameHost)
            .user_agent(concat!("retune/", env!("CARGO_PKG_VERSION")));
        let mut question = ureq::Agent::new_with_config(configuration.build()).get(&self.url);
        if let Some(token) = &self.token {
            question = question.header("Authorization", format!("Bearer {token}"));
        }
        let mut response = question.call()?;
        if !response.status().is_success() {
            let code = response.headers().get("x-error-code").and_then(|code| code.to_str().ok()).map(str::to_owned);
            return Ok(Answer::Status { status: response.status().as_u16(), code });
        }
        match response.body_mut().read_json() {
            Ok(answer) => Ok(Description::of(answer).map_or(Answer::NoJson, Answer::Description)),
            Err(ureq::Error::Json(_)) => Ok(Answer::NoJson),
            Err(error) => Err(error),
        }
    }
}

fn judge(answer: Answer, repository: &Repository, environment: &Environment) -> Result<Description, HubError> {
    match answer {
        Answer::Description(description) if is_commit(&description.commit) => Ok(description),
        Answer::Description(Description { commit, .. }) => {
            Err(unexpected(repository, environment, format!("`{commit}` is no commit")))
        }
        Answer::NoJson => Err(unexpected(repository, environment, "no JSON".to_owned())),
        Answer::Status { status, code } => Err(refusal(status, code.as_deref(), repository, environment)),
    }
}

/// The error that stands for a status of the Hub, and for its header `x-error-code` where that was seen.
pub(crate) fn refusal(status: u16, code: Option<&str>, repository: &Repository, environment: &Environment) -> HubError {
    let (endpoint, name) = (environment.endpoint.clone(), repository.page());
    match (status, code) {
        (_, Some("RevisionNotFound")) => {
            HubError::NoSuchRevision { endpoint, name, revision: repository.revision.clone() }
        }
        // To whom sends no token the Hub says 401 of what is private and of what is not there, and the code is no more
        // to be relied on than that.
        (401 | 403, _) => {
            let token = if environment.token.is_some() { TokenUse::Sent } else { TokenUse::Absent };
            HubError::Refused { endpoint, name, status, token }
        }
        (404, _) => match repository.kind {
            Kind::Model => HubError::NoSuchModel { endpoint, name },
            Kind::Dataset => HubError::NoSuchDataset { endpoint, name: repository.name.clone() },
        },
        _ => unexpected(repository, environment, format!("HTTP {status}")),
    }
}

pub(crate) fn unexpected(repository: &Repository, environment: &Environment, answer: String) -> HubError {
    HubError::UnexpectedAnswer { endpoint: environment.endpoint.clone(), name: repository.page(), answer }
}
