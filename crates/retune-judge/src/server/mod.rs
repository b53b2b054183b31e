//! The page on an address of this machine.
//!
//! | request | answer |
//! |---|---|
//! | `GET /` | the page |
//! | `GET /api/study` | what is asked, and who has come how far |
//! | `POST /api/enter` `{judge}` | a judge begins, or comes back |
//! | `POST /api/next` `{judge}` | the row to be answered |
//! | `POST /api/answer` `{judge, position, answer}` | keeps an answer |
//! | `POST /api/undo` `{judge}` | takes the last one back |
//!
//! What a request must have before any of it is looked at is [`guard`]'s business.

mod api;
mod guard;
mod page;

use std::future::{IntoFuture, poll_fn};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};

use crate::error::JudgeError;
use crate::store::Study;

/// How often it is looked whether to stop.
const PAUSE: Duration = Duration::from_millis(50);
/// How long requests that are under way may take when it is to stop.
const GRACE: Duration = Duration::from_secs(1);

/// Where to listen, and whom to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerSettings {
    /// The address; of any that is not this machine's own (127.0.0.1, ::1), requests need a token.
    pub address: IpAddr,
    /// The port; 0 for any that is free.
    pub port: u16,
    /// Names, beside `localhost` and addresses in digits, by which people may call this machine.
    pub hosts: Vec<String>,
}

/// A study that is listened for.
#[derive(Debug)]
pub struct Server {
    study: Study,
    listener: TcpListener,
    address: SocketAddr,
    guard: guard::Guard,
}

/// What every request shares.
type Shared = Arc<Mutex<Study>>;

impl Server {
    /// Takes the address.
    ///
    /// # Errors
    ///
    /// [`JudgeError::Bind`]; [`JudgeError::Random`] where a token is needed and cannot be made.
    pub fn bind(study: Study, settings: &ServerSettings) -> Result<Self, JudgeError> {
        let address = SocketAddr::new(settings.address, settings.port);
        let bind = |source| JudgeError::Bind { address, source };
        let listener = TcpListener::bind(address).map_err(bind)?;
        listener.set_nonblocking(true).map_err(bind)?;
        let token = if settings.address.is_loopback() { None } else { Some(guard::new_token()?) };
        let guard = guard::Guard::new(token, &settings.hosts);
        Ok(Self { study, address: listener.local_addr().map_err(bind)?, listener, guard })
    }

    /// Where the page is, with the token where one is needed. Of an address that means all of this machine's, the
    /// loopback one.
    pub fn url(&self) -> String {
        let mut address = self.address;
        if address.ip().is_unspecified() {
            address.set_ip(match address.ip() {
                IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
                IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
            });
        }
        match self.guard.token() {
            Some(token) => format!("http://{address}/?token={token}"),
            None => format!("http://{address}/"),
        }
    }

    /// Serves until `stop` is true, and gives the study back.
    ///
    /// # Errors
    ///
    /// [`JudgeError::Serve`].
    pub fn run(self, stop: Arc<AtomicBool>) -> Result<Study, JudgeError> {
        let path = self.study.path().to_owned();
        let study = Arc::new(Mutex::new(self.study));
        let app = router(Arc::clone(&study), self.guard);
        let serve = |source| JudgeError::Serve { source };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(serve)?;
        runtime
            .block_on(async {
                let listener = tokio::net::TcpListener::from_std(self.listener)?;
                let late = stopped_by(Arc::clone(&stop), GRACE);
                let serving = axum::serve(listener, app).with_graceful_shutdown(stopped_by(stop, Duration::ZERO));
                // A request that never ends must not keep the server.
                let (mut serving, mut late) = (pin!(serving.into_future()), pin!(late));
                poll_fn(|context| match serving.as_mut().poll(context) {
                    Poll::Ready(served) => Poll::Ready(served),
                    Poll::Pending => late.as_mut().poll(context).map(Ok),
                })
                .await
            })
            .map_err(serve)?;
        drop(runtime);
        match Arc::try_unwrap(study) {
            Ok(study) => Ok(study.into_inner().unwrap_or_else(PoisonError::into_inner)),
            // Nothing holds it once the runtime is gone; and if something did, the file has everything.
            Err(_) => Study::open(&path),
        }
    }
}

async fn stopped_by(stop: Arc<AtomicBool>, grace: Duration) {
    while !stop.load(Ordering::Relaxed) {
        tokio::time::sleep(PAUSE).await;
    }
    tokio::time::sleep(grace).await;
}

fn router(study: Shared, guard: guard::Guard) -> Router {
    Router::new()
        .route("/", get(page::page))
        .route("/api/study", get(api::study))
        .route("/api/enter", post(api::enter))
        .route("/api/next", post(api::next))
        .route("/api/answer", post(api::answer))
        .route("/api/undo", post(api::undo))
        .fallback(|| async { (StatusCode::NOT_FOUND, "there is nothing here\n") })
        .layer(DefaultBodyLimit::max(guard::BODY_LIMIT as usize))
        .layer(from_fn_with_state(Arc::new(guard), guard::check))
        .with_state(study)
}
