//! What the page asks for.

use std::sync::PoisonError;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Shared;
use crate::answer::Answer;
use crate::error::JudgeError;
use crate::settings::Mode;
use crate::store::{Study, Turn};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfJudge {
    judge: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    judge: String,
    position: u64,
    answer: Answer,
}

pub(super) async fn study(State(study): State<Shared>) -> Response {
    with(&study, |study| {
        let settings = study.settings();
        // What the page need not know, it is not told: nobody is to look up which run is which.
        Ok(json!({
            "mode": settings.mode,
            "data": settings.data,
            "rows": study.sample().len(),
            "classes": settings.classes,
            "judges": study.judges()?,
        }))
    })
}

pub(super) async fn enter(State(study): State<Shared>, body: Bytes) -> Response {
    posted(&study, &body, |study, OfJudge { judge }| Ok(json!(study.enter(&judge)?)))
}

pub(super) async fn next(State(study): State<Shared>, body: Bytes) -> Response {
    posted(&study, &body, |study, OfJudge { judge }| {
        let turn = study.next(&judge)?;
        let card = turn.map(|turn| card(study, turn));
        Ok(json!({ "card": card, "progress": study.progress(&judge)? }))
    })
}

pub(super) async fn answer(State(study): State<Shared>, body: Bytes) -> Response {
    posted(&study, &body, |study, given: Given| Ok(json!(study.answer(&given.judge, given.position, given.answer)?)))
}

pub(super) async fn undo(State(study): State<Shared>, body: Bytes) -> Response {
    posted(&study, &body, |study, OfJudge { judge }| Ok(json!(study.undo(&judge)?)))
}

/// A row as the page may show it: what the model says only where it is asked about, and never the file's label.
fn card(study: &Study, turn: Turn) -> Value {
    let settings = study.settings();
    let item = &study.sample()[turn.position as usize].item;
    let texts: Vec<Value> =
        settings.columns.iter().zip(&item.texts).map(|(name, text)| json!({ "name": name, "text": text })).collect();
    let mut card = json!({ "position": turn.position, "row": item.row, "texts": texts });
    match settings.mode {
        Mode::Label => {}
        Mode::Agree => card["says"] = json!(item.prediction),
        Mode::Compare => {
            let sides = [json!(item.prediction), json!(item.against)];
            let [left, right] = sides;
            (card["left"], card["right"]) = if turn.swapped { (right, left) } else { (left, right) };
        }
    }
    card
}

fn posted<T: DeserializeOwned>(
    study: &Shared,
    body: &[u8],
    work: impl FnOnce(&mut Study, T) -> Result<Value, JudgeError>,
) -> Response {
    match serde_json::from_slice(body) {
        Ok(given) => with(study, |study| work(study, given)),
        Err(error) => refusal(StatusCode::BAD_REQUEST, &format!("the body does not read: {error}")),
    }
}

fn with(study: &Shared, work: impl FnOnce(&mut Study) -> Result<Value, JudgeError>) -> Response {
    // A panic in another request leaves the file whole, and the file is what counts.
    let mut study = study.lock().unwrap_or_else(PoisonError::into_inner);
    match work(&mut study) {
        Ok(value) => ([(CONTENT_TYPE, "application/json")], value.to_string()).into_response(),
        Err(error) => refusal(status(&error), &error.to_string()),
    }
}

fn status(error: &JudgeError) -> StatusCode {
    match error {
        JudgeError::Name { .. } | JudgeError::WrongAnswer { .. } | JudgeError::UnknownClass { .. } => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        JudgeError::UnknownJudge { .. } | JudgeError::UnknownPosition { .. } => StatusCode::NOT_FOUND,
        JudgeError::AlreadyAnswered { .. } | JudgeError::NothingToUndo { .. } => StatusCode::CONFLICT,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn refusal(status: StatusCode, message: &str) -> Response {
    (status, [(CONTENT_TYPE, "application/json")], json!({ "error": message }).to_string()).into_response()
}
