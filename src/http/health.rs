//! `GET /healthz`, `GET /readyz` and `GET /metrics`.

use std::{collections::BTreeMap, time::Duration};

use actix::{Message, MessageResponse};
use actix_web::{HttpResponse, web::Data};
use serde::Serialize;
use serde_json::json;

use crate::metrics::State;

use super::HttpState;

/// How long the answer to [`Readiness`] may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Asks whether the service does its work.
#[derive(Debug, Message)]
#[rtype(result = "ReadinessReport")]
pub struct Readiness;

/// Whether the service does its work. No member's id is in it.
#[derive(Debug, Clone, Serialize, MessageResponse)]
pub struct ReadinessReport {
    /// `ready`, `starting`, `draining` or `broken`.
    pub status: &'static str,
    /// A snapshot of each actor.
    pub actors: BTreeMap<String, serde_json::Value>,
    /// What is wrong, in plain words, with what to do about it.
    pub problems: Vec<String>,
}

/// 200 while the process serves.
pub async fn healthz() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "status": "ok" }))
}

/// 200 when the service does its work, else 503.
pub async fn readyz(state: Data<HttpState>) -> HttpResponse {
    let report = readiness(&state).await;
    let mut response =
        if report.status == "ready" { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    response.json(report)
}

/// Asks the actors how they are; those that do not answer in time are broken.
pub async fn readiness(state: &HttpState) -> ReadinessReport {
    let asked = tokio::time::timeout(PATIENCE, state.readiness.send(Readiness)).await;
    asked.ok().and_then(Result::ok).unwrap_or_else(|| ReadinessReport {
        status: "broken",
        actors: BTreeMap::new(),
        problems: vec!["the service's actors do not answer; restart it".to_owned()],
    })
}

/// Counters, gauges and histograms in Prometheus's text format.
pub async fn metrics(state: Data<HttpState>) -> HttpResponse {
    let report = readiness(&state).await;
    state.recorder.state(State::Ready, u64::from(report.status == "ready"));
    state.recorder.state(State::Problems, report.problems.len() as u64);
    HttpResponse::Ok().content_type(prometheus::TEXT_FORMAT).body(state.recorder.text())
}
