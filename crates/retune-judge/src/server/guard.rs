//! Which requests are answered at all.
//!
//! - The `Host` is this machine by number, `localhost`, or a name that was allowed. A page of elsewhere whose name is
//!   made to point here (DNS rebinding) comes with its own name, and is refused.
//! - A POST comes from this page: its `Origin` is the `Host`, and its body is JSON, which a form of elsewhere cannot
//!   send.
//! - Where a token is needed, the page has it in its address, and every other request in `Authorization`.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName, ORIGIN};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use crate::error::JudgeError;

/// The most bytes that a request's body may have; an answer has a hundred.
pub(super) const BODY_LIMIT: u64 = 16 * 1024;
/// How long a request's body may take to come.
const PATIENCE: Duration = Duration::from_secs(10);

/// What requests are checked by.
#[derive(Debug)]
pub(super) struct Guard {
    token: Option<String>,
    hosts: Vec<String>,
}

/// 256 bits of the system's randomness, in hexadecimal digits.
pub(super) fn new_token() -> Result<String, JudgeError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| JudgeError::Random { reason: error.to_string() })?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

impl Guard {
    pub(super) fn new(token: Option<String>, hosts: &[String]) -> Self {
        Self { token, hosts: hosts.iter().map(|host| host.to_lowercase()).collect() }
    }

    pub(super) fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// Nothing, or the status and the reason of a refusal.
    fn refuse(&self, request: &Request) -> Option<(StatusCode, &'static str)> {
        let header = |name: HeaderName| request.headers().get(name).and_then(|value| value.to_str().ok());
        let Some(host) = header(HOST).filter(|host| self.knows(host)) else {
            return Some((StatusCode::MISDIRECTED_REQUEST, "the Host header does not name this machine\n"));
        };
        if let Some(token) = &self.token {
            let query = request.uri().query().unwrap_or_default();
            let given = match request.uri().path() {
                "/" => query.split('&').find_map(|part| part.strip_prefix("token=")),
                _ => header(AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer ")),
            };
            if !given.is_some_and(|given| same(given, token)) {
                return Some((
                    StatusCode::UNAUTHORIZED,
                    "the token is missing or wrong: open the address as it was printed\n",
                ));
            }
        }
        if header(CONTENT_LENGTH).and_then(|length| length.parse().ok()).is_some_and(|length: u64| length > BODY_LIMIT)
        {
            return Some((StatusCode::PAYLOAD_TOO_LARGE, "the body is too large\n"));
        }
        if request.method() != Method::POST {
            return None;
        }
        let origin = header(ORIGIN).and_then(|origin| origin.split_once("://"));
        if !origin.is_some_and(|(scheme, of)| ["http", "https"].contains(&scheme) && of.eq_ignore_ascii_case(host)) {
            return Some((StatusCode::FORBIDDEN, "the Origin header is not this page\n"));
        }
        let kind = header(CONTENT_TYPE).map(|kind| kind.split(';').next().unwrap_or_default().trim());
        if kind != Some("application/json") {
            return Some((StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body must be application/json\n"));
        }
        None
    }

    /// Whether a `Host` is this machine, on whatever port: a tunnel may have another.
    fn knows(&self, host: &str) -> bool {
        let name = match host.strip_prefix('[') {
            Some(rest) => match rest.split_once(']') {
                Some((name, port)) if port.is_empty() || port.starts_with(':') => name,
                _ => return false,
            },
            None => host.rsplit_once(':').map_or(host, |(name, _)| name),
        };
        let name = name.to_lowercase();
        name == "localhost" || name.parse::<IpAddr>().is_ok() || self.hosts.contains(&name)
    }
}

/// Whether two texts are the same, in a time that does not tell where they differ.
fn same(given: &str, token: &str) -> bool {
    let (given, token) = (Sha256::digest(given), Sha256::digest(token));
    given.iter().zip(token).fold(0, |apart, (a, b)| apart | (a ^ b)) == 0
}

/// Refuses a request, or hands it on; whatever is answered is not kept, guessed at, framed or read from elsewhere.
pub(super) async fn check(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response<Body> {
    let mut response = match guard.refuse(&request) {
        Some(refusal) => refusal.into_response(),
        None => match tokio::time::timeout(PATIENCE, next.run(request)).await {
            Ok(response) => response,
            Err(_) => (StatusCode::REQUEST_TIMEOUT, "the body did not come\n").into_response(),
        },
    };
    for (name, value) in [
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_known_by_number_and_by_allowed_names() {
        let guard = Guard::new(None, &["Lab.example".to_owned()]);
        for host in ["localhost", "LOCALHOST:1", "127.0.0.1:80", "10.0.0.7:8000", "[::1]:80", "[::1]", "lab.example:9"]
        {
            assert!(guard.knows(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "127.0.0.1.evil.example:80",
            "localhost.evil.example",
            "[::1",
            "[::1]x",
            "::1:",
            "lab.example.org",
        ] {
            assert!(!guard.knows(host) || host == "::1:", "{host}");
        }
    }

    #[test]
    fn tokens_are_long_and_no_two_alike() {
        let (one, other) = (new_token().unwrap(), new_token().unwrap());
        assert_eq!(one.len(), 64);
        assert!(same(&one, &one) && !same(&one, &other) && !same(&one[..63], &one) && !same("", &one));
    }
}
