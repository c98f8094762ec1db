//! The simulated Slack over HTTP: the Web API below `/api/`, and the pages where members consent and sign in.

use std::net::SocketAddr;

use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer,
    dev::ServerHandle,
    http::StatusCode,
    web::{self, Bytes, Data},
};
use futures_util::stream;

use crate::clock::Instant;

use super::{
    calls::{ApiRequest, ApiResponse, FilePart},
    consent,
    faults::Effect,
    sign_in,
    slack::SimulatedSlack,
};

/// A simulated Slack that listens.
pub struct Server {
    /// Where.
    pub address: SocketAddr,
    handle: ServerHandle,
}

impl Server {
    /// Listens on a free loopback port. `more` adds routes of the demo's own.
    ///
    /// # Errors
    /// When no port can be bound.
    pub fn start(
        slack: &SimulatedSlack,
        more: impl Fn(&mut web::ServiceConfig) + Send + Clone + 'static,
    ) -> std::io::Result<Self> {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), slack, more)
    }

    /// Listens there: port 0 is any free one.
    ///
    /// # Errors
    /// When the port cannot be bound.
    pub fn start_at(
        address: SocketAddr,
        slack: &SimulatedSlack,
        more: impl Fn(&mut web::ServiceConfig) + Send + Clone + 'static,
    ) -> std::io::Result<Self> {
        let state = Data::new(slack.clone());
        let server = HttpServer::new(move || {
            App::new()
                .app_data(state.clone())
                .app_data(web::PayloadConfig::new(20 * 1024 * 1024))
                .route("/api/{method}", web::to(api))
                .route("/oauth/v2/authorize", web::get().to(consent::ask))
                .route("/oauth/v2/authorize", web::post().to(consent::answer))
                .route("/openid/connect/authorize", web::get().to(sign_in::ask))
                .route("/openid/connect/authorize", web::post().to(sign_in::answer))
                .configure(more.clone())
        });
        let server = server.workers(1).disable_signals().shutdown_timeout(1).bind(address)?;
        let address = server.addrs().first().copied().ok_or(std::io::ErrorKind::AddrNotAvailable)?;
        slack.lock().app.issuer = format!("http://{address}");
        let server = server.run();
        let handle = server.handle();
        actix::spawn(server);
        Ok(Self { address, handle })
    }

    /// Root of the Web API.
    pub fn api_url(&self) -> String {
        format!("http://{}/api/", self.address)
    }

    /// Listens no more.
    pub async fn stop(&self) {
        self.handle.stop(false).await;
    }
}

async fn api(
    method: web::Path<String>,
    query: web::Query<Vec<(String, String)>>,
    request: HttpRequest,
    body: Bytes,
    slack: Data<SimulatedSlack>,
) -> Result<HttpResponse, actix_web::Error> {
    let at = Instant::now();
    let call = understand(method.into_inner(), query.into_inner(), &request, body).await;
    let effect = slack.effect(&call);
    match &effect {
        Some(Effect::Delay(wait)) => tokio::time::sleep(*wait).await,
        Some(Effect::Held) => slack.hold().await,
        Some(Effect::Hang) => {
            slack.note(&call, at, None);
            std::future::pending::<()>().await;
        }
        Some(Effect::Cut | Effect::Panic) => {
            slack.note(&call, at, None);
            return cut_off();
        }
        Some(Effect::LostAnswer) => {
            slack.answer(&call, at);
            slack.note(&call, at, None);
            return cut_off();
        }
        _ => {}
    }
    let answer =
        effect.as_ref().and_then(SimulatedSlack::fault_answer).unwrap_or_else(|| slack.answer(&call, at));
    slack.note(&call, at, Some(&answer));
    let slow = match effect {
        Some(Effect::SlowBody(wait)) => Some(wait),
        _ => None,
    };
    Ok(respond(answer, slow))
}

/// Begins an answer that never gets whole: the connection is cut within its body.
fn cut_off() -> Result<HttpResponse, actix_web::Error> {
    let broken = stream::iter([
        Ok(Bytes::from_static(b"{")),
        Err(std::io::Error::from(std::io::ErrorKind::BrokenPipe)),
    ]);
    Ok(HttpResponse::Ok().no_chunking(100).streaming(broken))
}

fn respond(answer: ApiResponse, slow: Option<std::time::Duration>) -> HttpResponse {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::build(status);
    response.content_type("application/json; charset=utf-8").insert_header(("x-slack-req-id", "simulated"));
    if let Some(seconds) = answer.retry_after {
        response.insert_header(("Retry-After", seconds.to_string()));
    }
    if let Some(scopes) = answer.scopes {
        response.insert_header(("x-oauth-scopes", scopes));
    }
    match slow {
        None => response.body(answer.body),
        Some(wait) => response.streaming(stream::once(async move {
            tokio::time::sleep(wait).await;
            Ok::<_, std::io::Error>(answer.body)
        })),
    }
}

async fn understand(
    method: String,
    query: Vec<(String, String)>,
    request: &HttpRequest,
    body: Bytes,
) -> ApiRequest {
    let header =
        |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let content_type = header("content-type").unwrap_or_default();
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_lowercase();
    let mut call = ApiRequest {
        method,
        verb: request.method().to_string(),
        query,
        authorization: header("authorization"),
        content_type: kind,
        ..ApiRequest::default()
    };
    match call.content_type.as_str() {
        "application/json" => call.json = serde_json::from_slice(&body).ok(),
        "multipart/form-data" => call.file = file_part(&content_type, body).await,
        _ => call.form = url::form_urlencoded::parse(&body).into_owned().collect(),
    }
    call
}

async fn file_part(content_type: &str, body: Bytes) -> Option<FilePart> {
    let boundary = multer::parse_boundary(content_type).ok()?;
    let mut parts = multer::Multipart::new(stream::once(async { Ok::<_, std::io::Error>(body) }), boundary);
    while let Ok(Some(part)) = parts.next_field().await {
        if part.file_name().is_some() {
            let name = part.name().unwrap_or_default().to_owned();
            let file_name = part.file_name().map(str::to_owned);
            let content_type = part.content_type().map(ToString::to_string);
            return Some(FilePart { name, file_name, content_type, bytes: part.bytes().await.ok()? });
        }
    }
    None
}
