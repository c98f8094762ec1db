//! The least that a receiver of Slack's events can do: read the body, check its signature, read the member's id. What
//! the service costs beyond that is measured against it.

use std::time::{SystemTime, UNIX_EPOCH};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use serde::Deserialize;
use statusinator::http::signature;

#[derive(Deserialize)]
struct Callback<'a> {
    #[serde(borrow)]
    event: Event<'a>,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow)]
    user: User<'a>,
}

#[derive(Deserialize)]
struct User<'a> {
    id: &'a str,
}

async fn receive(request: HttpRequest, body: web::Bytes, secret: web::Data<String>) -> HttpResponse {
    let header = |name: &str| request.headers().get(name)?.to_str().ok();
    let (timestamp, signed) = (header("x-slack-request-timestamp"), header("x-slack-signature"));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    if signature::verify(&secret, timestamp, signed, &body, now).is_err() {
        return HttpResponse::Unauthorized().finish();
    }
    match serde_json::from_slice::<Callback<'_>>(&body) {
        Ok(callback) if !callback.event.user.id.is_empty() => HttpResponse::Ok().finish(),
        _ => HttpResponse::BadRequest().finish(),
    }
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let variable = |name| std::env::var(name).unwrap_or_default();
    let secret = web::Data::new(variable("SLACK_SIGNING_SECRET"));
    let routes = move |config: &mut web::ServiceConfig| {
        config.app_data(secret.clone()).route("/slack/events", web::post().to(receive));
    };
    HttpServer::new(move || App::new().configure(routes.clone()))
        .workers(2)
        .bind(format!("127.0.0.1:{}", variable("PORT")))?
        .run()
        .await
}
