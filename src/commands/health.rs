//! `statusinator health`: asks the running service how it is, as a container's health check does.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use anyhow::{Context as _, anyhow, bail};
use awc::Client;
use serde::Deserialize;

use crate::app::AppError;

/// The service answers `/readyz` within 2 s, whatever its actors do.
const PATIENCE: Duration = Duration::from_secs(4);

/// What a question is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// Whether the process serves.
    Serves,
    /// Whether it does its work.
    Ready,
}

impl Question {
    fn path(self) -> &'static str {
        match self {
            Self::Serves => "healthz",
            Self::Ready => "readyz",
        }
    }
}

/// What of an answer is told when it is no.
#[derive(Debug, Deserialize)]
struct Report {
    status: String,
    #[serde(default)]
    problems: Vec<String>,
}

/// Asks the service that listens there.
///
/// # Errors
/// [`AppError::Misconfigured`] when the address tells no port, [`AppError::Failed`] when the answer is no, or none.
pub async fn ask(bind: SocketAddr, question: Question) -> Result<(), AppError> {
    if bind.port() == 0 {
        return Err(AppError::Misconfigured(
            "STATUSINATOR_BIND names port 0, which stands for any free one; name the port that the service logged"
                .to_owned(),
        ));
    }
    let url = format!("http://{}/{}", reachable(bind), question.path());
    Ok(get(&url).await?)
}

/// A service that listens everywhere is asked over loopback.
fn reachable(bind: SocketAddr) -> SocketAddr {
    let ip = match bind.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, bind.port())
}

async fn get(url: &str) -> anyhow::Result<()> {
    let client = Client::builder().timeout(PATIENCE).finish();
    // awc's errors are not `Send`, so their words are taken.
    let sent = client.get(url).send().await;
    let mut answer =
        sent.map_err(|error| anyhow!("{error}")).with_context(|| format!("no answer from {url}"))?;
    if answer.status().is_success() {
        return Ok(());
    }
    let body = answer.body().await.unwrap_or_default();
    let status = answer.status().as_u16();
    match serde_json::from_slice::<Report>(&body) {
        Ok(report) => bail!("{url} answered {status}, {}", told(&report)),
        Err(_) => bail!("{url} answered {status}"),
    }
}

fn told(report: &Report) -> String {
    let lines = report.problems.iter().map(|problem| format!("\n  {problem}"));
    format!("{}{}", report.status, lines.collect::<String>())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use actix_web::{App, HttpResponse, HttpServer, web};
    use serde_json::json;

    use super::*;

    /// A service that serves but is not ready; its address.
    fn starting() -> SocketAddr {
        let readyz = || async {
            HttpResponse::ServiceUnavailable()
                .json(json!({ "status": "starting", "problems": ["Slack is away"] }))
        };
        let app = move || {
            App::new()
                .route("/healthz", web::get().to(HttpResponse::Ok))
                .route("/readyz", web::get().to(readyz))
        };
        let server = HttpServer::new(app).workers(1).disable_signals().bind("127.0.0.1:0").unwrap();
        let address = server.addrs()[0];
        actix::spawn(server.run());
        address
    }

    #[actix::test]
    async fn a_service_that_starts_serves_but_is_not_ready_and_says_why() {
        let address = starting();

        let serves = ask(address, Question::Serves).await;
        let ready = ask(address, Question::Ready).await.unwrap_err().to_string();

        assert!(serves.is_ok(), "{serves:?}");
        assert!(ready.ends_with("answered 503, starting\n  Slack is away"), "{ready}");
    }

    #[actix::test]
    async fn nobody_there_is_a_no() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();

        let error = ask(free, Question::Serves).await.unwrap_err();

        assert!(error.to_string().starts_with("no answer from http://127.0.0.1:"), "{error}");
    }

    #[test]
    fn a_service_that_listens_everywhere_is_asked_over_loopback() {
        let asked = |bind: &str| reachable(bind.parse().unwrap()).to_string();

        assert_eq!(asked("0.0.0.0:3000"), "127.0.0.1:3000");
        assert_eq!(asked("[::]:3000"), "[::1]:3000");
        assert_eq!(asked("10.1.2.3:80"), "10.1.2.3:80");
    }
}
