//! The simulated Slack in process: calls without a socket, faults in tokio's time.

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::{
    clock::Instant,
    slack::{Body, Call, NoAnswer, Reply, Transport, transport::Auth},
};

use super::{
    calls::{ApiRequest, ApiResponse, FilePart},
    faults::Effect,
    slack::SimulatedSlack,
};

#[async_trait(?Send)]
impl Transport for SimulatedSlack {
    async fn call(&self, call: Call) -> Result<Reply, NoAnswer> {
        let (request, at) = (as_request(call), Instant::now());
        let effect = self.effect(&request);
        let cut = |why: &str| {
            self.note(&request, at, None);
            Err(NoAnswer(why.to_owned()))
        };
        match &effect {
            Some(Effect::Delay(wait)) => tokio::time::sleep(*wait).await,
            Some(Effect::Held) => self.hold().await,
            Some(Effect::Hang) => {
                self.note(&request, at, None);
                std::future::pending::<()>().await;
            }
            Some(Effect::Panic) => std::panic::resume_unwind(Box::new("the transport panics")),
            Some(Effect::Cut) => return cut("the connection was cut"),
            Some(Effect::LostAnswer) => {
                self.answer(&request, at);
                return cut("the answer was lost");
            }
            _ => {}
        }
        let answer =
            effect.as_ref().and_then(Self::fault_answer).unwrap_or_else(|| self.answer(&request, at));
        self.note(&request, at, Some(&answer));
        if let Some(Effect::SlowBody(wait)) = effect {
            tokio::time::sleep(wait).await;
        }
        Ok(as_reply(answer))
    }
}

fn as_request(call: Call) -> ApiRequest {
    let authorization = match &call.auth {
        Auth::Bearer(token) => format!("Bearer {}", token.expose()),
        Auth::Basic { id, secret } => {
            format!("Basic {}", STANDARD.encode(format!("{id}:{}", secret.expose())))
        }
    };
    let owned = |list: Vec<(&'static str, String)>| {
        list.into_iter().map(|(key, text)| (key.to_owned(), text)).collect()
    };
    let mut request = ApiRequest {
        method: call.method.name().to_owned(),
        verb: "POST".to_owned(),
        authorization: Some(authorization),
        ..ApiRequest::default()
    };
    match call.body {
        Body::Query(query) => {
            "GET".clone_into(&mut request.verb);
            request.query = owned(query);
        }
        Body::Form(form) => {
            "application/x-www-form-urlencoded".clone_into(&mut request.content_type);
            request.form = owned(form);
        }
        Body::Json(json) => {
            "application/json".clone_into(&mut request.content_type);
            request.json = Some(json);
        }
        Body::Image { bytes, content_type } => {
            "multipart/form-data".clone_into(&mut request.content_type);
            let (name, file_name) = ("image".to_owned(), Some("picture".to_owned()));
            request.file =
                Some(FilePart { name, file_name, content_type: Some(content_type.to_owned()), bytes });
        }
    }
    request
}

fn as_reply(answer: ApiResponse) -> Reply {
    let retry_after = answer.retry_after.map(|seconds| seconds.to_string());
    Reply { status: answer.status, retry_after, scopes: answer.scopes, date: None, body: answer.body }
}
