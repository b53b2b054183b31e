//! The first question to the Hub: what a model's revision stands for, and whether the Hub is there at all.
//!
//! hf-hub has no time limit and keeps the headers of a refusal to itself, and both matter here: a start must not hang on a
//! Hub that never answers, and the header `x-error-code` tells a missing revision from a missing model. So this one
//! request is made here; the files are hf-hub's.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use hf_hub::api::RepoInfo;
use hf_hub::{Repo, RepoType};
use ureq::config::RedirectAuthHeaders;

use crate::error::TokenUse;
use crate::name::is_commit;
use crate::{Environment, HubError, ModelRequest};

/// Asks the Hub which commit the revision is and which files it holds.
///
/// Takes at most [`Limits::reach`](crate::Limits::reach), the look-up of the name included. The question is asked on
/// a thread of its own, so that the limit holds whatever blocks below: ureq has one too, but the C library that looks
/// names up knows of none.
pub(crate) fn describe(request: &ModelRequest, environment: &Environment) -> Result<RepoInfo, HubError> {
    let endpoint = &environment.endpoint;
    if !["https://", "http://"].iter().any(|scheme| endpoint.len() > scheme.len() && endpoint.starts_with(scheme)) {
        return Err(HubError::InvalidEndpoint { endpoint: endpoint.clone() });
    }
    let repository = Repo::with_revision(request.name.clone(), RepoType::Model, request.revision.clone());
    let limit = environment.limits.reach;
    let question =
        Question { url: format!("{endpoint}/api/{}", repository.api_url()), token: environment.token.clone(), limit };
    tracing::debug!(url = question.url, "asking the Hub");
    let (sender, receiver) = mpsc::channel();
    // Nobody listens any more once the limit is over, and then the answer may be lost.
    thread::spawn(move || sender.send(question.ask()).ok());
    let late = || format!("no answer within {} s", limit.as_secs_f32());
    let reason = match receiver.recv_timeout(limit) {
        Ok(Ok(answer)) => return judge(answer, request, environment),
        Ok(Err(ureq::Error::Timeout(_))) | Err(RecvTimeoutError::Timeout) => late(),
        Ok(Err(error)) => error.to_string(),
        Err(RecvTimeoutError::Disconnected) => "the request failed".to_owned(),
    };
    Err(HubError::Unreachable { endpoint: endpoint.clone(), name: request.name.clone(), reason })
}

struct Question {
    url: String,
    token: Option<String>,
    limit: Duration,
}

enum Answer {
    Info(RepoInfo),
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
            Ok(info) => Ok(Answer::Info(info)),
            Err(ureq::Error::Json(_)) => Ok(Answer::NoJson),
            Err(error) => Err(error),
        }
    }
}

fn judge(answer: Answer, request: &ModelRequest, environment: &Environment) -> Result<RepoInfo, HubError> {
    match answer {
        Answer::Info(info) if is_commit(&info.sha) => Ok(info),
        Answer::Info(info) => Err(unexpected(request, environment, format!("`{}` is no commit", info.sha))),
        Answer::NoJson => Err(unexpected(request, environment, "no JSON".to_owned())),
        Answer::Status { status, code } => Err(refusal(status, code.as_deref(), request, environment)),
    }
}

/// The error that stands for a status of the Hub, and for its header `x-error-code` where that was seen.
pub(crate) fn refusal(status: u16, code: Option<&str>, request: &ModelRequest, environment: &Environment) -> HubError {
    let (endpoint, name) = (environment.endpoint.clone(), request.name.clone());
    match (status, code) {
        (_, Some("RevisionNotFound")) => {
            HubError::NoSuchRevision { endpoint, name, revision: request.revision.clone() }
        }
        // To whom sends no token the Hub says 401 of what is private and of what is not there, and the code is no more
        // to be relied on than that.
        (401 | 403, _) => {
            let token = if environment.token.is_some() { TokenUse::Sent } else { TokenUse::Absent };
            HubError::Refused { endpoint, name, status, token }
        }
        (404, _) => HubError::NoSuchModel { endpoint, name },
        _ => unexpected(request, environment, format!("HTTP {status}")),
    }
}

pub(crate) fn unexpected(request: &ModelRequest, environment: &Environment, answer: String) -> HubError {
    HubError::UnexpectedAnswer { endpoint: environment.endpoint.clone(), name: request.name.clone(), answer }
}
