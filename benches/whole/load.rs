//! Sends events over connections that are kept, as fast as they are answered or at a rate, and measures the answers.

use std::{
    net::SocketAddr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures_util::future::try_join_all;
use serde_json::{Value, json};
use statusinator::http::signature::sign;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::Instant,
};

pub const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
pub const TEAM: &str = "T0BENCH";
const CONNECTIONS: usize = 32;
/// So many events take turns.
const EVENTS: usize = 512;

/// Slack's own example of a `user_change`, of this member with this status.
pub fn event(user: &str, emoji: &str, n: usize) -> Value {
    let text = include_str!("../../tests/fixtures/events-docs/user_change.docs.json");
    let mut inner: Value = serde_json::from_str(text).unwrap();
    inner["user"]["id"] = user.into();
    inner["user"]["team_id"] = TEAM.into();
    inner["user"]["profile"]["status_emoji"] = emoji.into();
    json!({ "token": "x", "team_id": TEAM, "api_app_id": "A1", "type": "event_callback", "event_id": format!("Ev{n}"),
        "event_time": 1_700_000_000, "event": inner,
        "authorizations": [{ "enterprise_id": null, "team_id": TEAM, "user_id": "UBOT", "is_bot": true, "is_enterprise_install": false }] })
}

/// An event as an HTTP request, signed as of now.
pub fn request(event: &Value) -> Vec<u8> {
    let (body, now) = (event.to_string(), SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs());
    let signature = sign(SECRET, now, body.as_bytes());
    format!(
        "POST /slack/events HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         X-Slack-Request-Timestamp: {now}\r\nX-Slack-Signature: {signature}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// When events are sent.
#[derive(Clone, Copy)]
pub enum Pace {
    /// The next one as soon as the last one is answered.
    Saturated,
    /// So many a second over all connections, however fast they are answered: what waits counts from when it was due.
    ASecond(f64),
}

/// How the answers came.
pub struct Answers {
    pub took: Duration,
    /// From when each was due to its answer, sorted.
    pub latencies: Vec<Duration>,
}

impl Answers {
    pub fn a_second(&self) -> f64 {
        self.latencies.len() as f64 / self.took.as_secs_f64()
    }

    pub fn quantile(&self, part: f64) -> Duration {
        quantile(&self.latencies, part)
    }
}

/// The value that this part of the sorted values did not exceed.
pub fn quantile(sorted: &[Duration], part: f64) -> Duration {
    sorted[((sorted.len() as f64 * part).ceil() as usize).clamp(1, sorted.len()) - 1]
}

/// Sends events of members whom nobody onboarded, or of these.
pub async fn run(address: SocketAddr, users: &[String], pace: Pace, time: Duration) -> Answers {
    let requests: Vec<Vec<u8>> = (0..EVENTS)
        .map(|n| {
            let user = users.get(n % users.len().max(1)).cloned().unwrap_or_else(|| format!("U0NOBODY{n}"));
            request(&event(&user, ":unchanged:", n))
        })
        .collect();
    let began = Instant::now();
    let connections = (0..CONNECTIONS).map(|n| connection(address, &requests, pace, (began, time), n));
    let mut latencies = try_join_all(connections).await.unwrap().concat();
    latencies.sort();
    Answers { took: began.elapsed(), latencies }
}

async fn connection(
    address: SocketAddr,
    requests: &[Vec<u8>],
    pace: Pace,
    (began, time): (Instant, Duration),
    number: usize,
) -> std::io::Result<Vec<Duration>> {
    let mut connection = Connection::open(address).await?;
    let mut latencies = Vec::new();
    for n in 0.. {
        let due = match pace {
            Pace::Saturated => Instant::now(),
            Pace::ASecond(rate) => {
                let due = began + Duration::from_secs_f64((n * CONNECTIONS + number) as f64 / rate);
                let is_late = Instant::now() > due;
                tokio::time::sleep_until(due).await;
                // The timer's own lateness, up to a millisecond, is not the server's.
                if is_late { due } else { Instant::now() }
            }
        };
        if due.duration_since(began) >= time {
            break;
        }
        connection.send(&requests[(n * CONNECTIONS + number) % requests.len()]).await?;
        latencies.push(due.elapsed());
    }
    Ok(latencies)
}

/// A connection to a server.
pub struct Connection {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Connection {
    pub async fn open(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, answer: Vec::with_capacity(4_096) })
    }

    /// Sends a request and reads its answer, which must be 200.
    pub async fn send(&mut self, request: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(request).await?;
        self.answer.clear();
        loop {
            if self.stream.read_buf(&mut self.answer).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            let Some(head) = self.answer.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { continue };
            let text = String::from_utf8_lossy(&self.answer[..head]).to_ascii_lowercase();
            assert!(text.starts_with("http/1.1 200"), "{text}");
            let is_chunked = text.contains("transfer-encoding: chunked");
            let length =
                text.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse().ok());
            let is_whole = match length {
                Some(length) => self.answer.len() >= head + 4 + usize::min(length, usize::MAX - 4_096),
                None => !is_chunked || self.answer.ends_with(b"0\r\n\r\n"),
            };
            if is_whole {
                return Ok(());
            }
        }
    }
}
