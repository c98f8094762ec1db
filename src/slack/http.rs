//! Calls over HTTP, with awc.
//!
//! An awc client belongs to the thread that made it. Its own time-outs end no later than a call's deadline, which
//! [`super::WebApi`] keeps; redirects are not followed, and every body is read to its end, so that the connection
//! can be used again.

use std::time::Duration;

use async_trait::async_trait;
use awc::{Client, ClientRequest, ClientResponse, SendClientRequest, http::header};
use bytes::Bytes;
use url::Url;
use uuid::Uuid;

use super::{Body, Call, NoAnswer, Reply, Transport, transport::Auth};

/// How large an answer may be; a page of `users.list` has some 500 KiB.
const ANSWER_AT_MOST: usize = 8 * 1024 * 1024;
/// Longer than any call's deadline: the deadline ends a call, not this.
const LONGER_THAN_ANY_DEADLINE: Duration = Duration::from_secs(60);

/// Carries calls to the Web API at an address.
pub struct HttpTransport {
    client: Client,
    api_url: Url,
}

impl HttpTransport {
    /// Calls methods below this address, which ends with a slash.
    pub fn new(api_url: &Url) -> Self {
        let client = Client::builder()
            .timeout(LONGER_THAN_ANY_DEADLINE)
            .disable_redirects()
            .add_default_header((header::USER_AGENT, concat!("statusinator/", env!("CARGO_PKG_VERSION"))))
            .finish();
        Self { client, api_url: api_url.clone() }
    }

    fn request(&self, call: &Call) -> Result<ClientRequest, NoAnswer> {
        let mut url = self
            .api_url
            .join(call.method.name())
            .map_err(|error| NoAnswer(format!("SLACK_API_URL: {error}")))?;
        if let Body::Query(arguments) = &call.body {
            url.query_pairs_mut().extend_pairs(arguments);
            return Ok(self.client.get(url.as_str()));
        }
        Ok(self.client.post(url.as_str()))
    }
}

#[async_trait(?Send)]
impl Transport for HttpTransport {
    async fn call(&self, call: Call) -> Result<Reply, NoAnswer> {
        let request = authorise(self.request(&call)?, &call.auth);
        let sent = send(request, call.body)?;
        let mut answer = sent.await.map_err(|error| NoAnswer(error.to_string()))?;
        let body = answer.body().limit(ANSWER_AT_MOST).await.map_err(|error| NoAnswer(error.to_string()))?;
        Ok(Reply {
            status: answer.status().as_u16(),
            retry_after: text(&answer, "retry-after"),
            scopes: text(&answer, "x-oauth-scopes"),
            date: text(&answer, "date"),
            body,
        })
    }
}

fn authorise(request: ClientRequest, auth: &Auth) -> ClientRequest {
    match auth {
        Auth::Bearer(token) => request.bearer_auth(token.expose()),
        Auth::Basic { id, secret } => request.basic_auth(id, secret.expose()),
    }
}

fn send(request: ClientRequest, body: Body) -> Result<SendClientRequest, NoAnswer> {
    Ok(match body {
        Body::Query(_) => request.send(),
        Body::Form(fields) => {
            let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
            request.content_type("application/x-www-form-urlencoded").send_body(body)
        }
        Body::Json(value) => {
            let body = serde_json::to_vec(&value).map_err(|error| NoAnswer(error.to_string()))?;
            request.content_type("application/json; charset=utf-8").send_body(body)
        }
        Body::Image { bytes, content_type } => {
            let (boundary, body) = multipart(&bytes, content_type);
            request.content_type(format!("multipart/form-data; boundary={boundary}")).send_body(body)
        }
    })
}

/// One file part named `image`, with the file's true type.
fn multipart(image: &Bytes, content_type: &str) -> (String, Bytes) {
    let boundary = Uuid::new_v4().simple().to_string();
    let extension = content_type.strip_prefix("image/").unwrap_or("png");
    let head = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"image\"; filename=\"picture.{extension}\"\r\n\
         Content-Type: {content_type}\r\n\r\n"
    );
    let tail = format!("\r\n--{boundary}--\r\n");
    (boundary, [head.as_bytes(), image, tail.as_bytes()].concat().into())
}

fn text<S>(answer: &ClientResponse<S>, name: &str) -> Option<String> {
    answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

#[cfg(test)]
mod tests;
