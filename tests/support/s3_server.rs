//! S3 in memory, as strict as AWS: signatures are checked, one of many conditional writers wins, a key may be denied an
//! operation. Faults come on demand.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    convert::Infallible,
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _, stream};
use hyper::{Request, Response, body::Incoming, header::HeaderValue, service::service_fn};
use hyper_util::rt::TokioIo;
use s3s::{
    Body, HttpError, S3, S3Request, S3Response, S3Result,
    access::{S3Access, S3AccessContext},
    auth::{S3Auth, SecretKey},
    dto::{
        DeleteObjectInput, DeleteObjectOutput, ETag, ETagCondition, GetObjectInput, GetObjectOutput,
        HeadObjectInput, HeadObjectOutput, ListObjectsV2Input, ListObjectsV2Output, Object, PutObjectInput,
        PutObjectOutput, StreamingBlob,
    },
    path::S3Path,
    s3_error,
    service::{S3Service, S3ServiceBuilder},
};
use sha2::{Digest as _, Sha256};
use statusinator::config::{AwsVariables, BucketConfig, Roles};
use tokio::sync::oneshot;

pub const BUCKET: &str = "statusinator-test";
pub const KEY: &str = "AKIATEST";
const SECRET: &str = "test-secret";

/// What happens to a request in place of, or beyond, its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// 503 `SlowDown`, and nothing is done.
    Busy,
    /// It is never answered, and nothing is done.
    Silence,
    /// It is done, and the connection ends without an answer.
    Lost,
    /// It is done, and the answer's body stands still half way.
    Stall,
    /// It is done, and the connection ends half way through the answer's body.
    Cut,
    /// It is done, and a header of the answer is not ASCII.
    OddHeader,
}

#[derive(Default)]
pub struct World {
    pub objects: BTreeMap<String, Bytes>,
    /// Conditions of writes are not looked at, as some stores do.
    pub ignores_conditions: bool,
    /// Access keys and the operations denied to them.
    pub denied: BTreeSet<(&'static str, &'static str)>,
    /// Operations and objects, as they came.
    pub calls: Vec<(String, String)>,
    faults: VecDeque<(&'static str, Fault)>,
}

/// The running server; it ends when it is dropped.
pub struct S3Server {
    pub address: SocketAddr,
    world: Arc<Mutex<World>>,
    // It is told by this that nobody needs it any more.
    _needed: oneshot::Sender<()>,
}

impl S3Server {
    /// Starts it on a thread of its own, whose clock no test pauses.
    pub fn start() -> Self {
        let world = Arc::new(Mutex::new(World::default()));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (needed, unneeded) = oneshot::channel();
        let serving = serve(listener, world.clone());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                tokio::select! {
                    () = serving => {}
                    _ = unneeded => {}
                }
            });
        });
        Self { address, world, _needed: needed }
    }

    pub fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    /// The next requests of this HTTP method fail so, one after the other.
    pub fn fail(&self, method: &'static str, faults: &[Fault]) {
        self.lock().faults.extend(faults.iter().map(|fault| (method, *fault)));
    }

    /// How often this operation was carried out.
    pub fn count(&self, operation: &str) -> usize {
        self.lock().calls.iter().filter(|(name, _)| name == operation).count()
    }

    pub fn config(&self) -> BucketConfig {
        let variables = [("AWS_ACCESS_KEY_ID", KEY), ("AWS_SECRET_ACCESS_KEY", SECRET)];
        let variables = variables.map(|(name, text)| (name.to_owned(), text.to_owned()));
        BucketConfig {
            bucket: BUCKET.into(),
            region: "eu-central-1".into(),
            s3_endpoint: Some(format!("http://{}", self.address).parse().unwrap()),
            sts_endpoint: None,
            roles: Roles::default(),
            variables: AwsVariables(variables.into()),
        }
    }
}

async fn serve(listener: TcpListener, world: Arc<Mutex<World>>) {
    let mut builder = S3ServiceBuilder::new(Store(world.clone()));
    builder.set_auth(Keys);
    builder.set_access(Policy(world.clone()));
    let service = builder.build();
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    while let Ok((socket, _)) = listener.accept().await {
        let (service, world) = (service.clone(), world.clone());
        let answer = service_fn(move |request| answer(request, service.clone(), world.clone()));
        tokio::spawn(
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), answer),
        );
    }
}

async fn answer(
    request: Request<Incoming>,
    service: S3Service,
    world: Arc<Mutex<World>>,
) -> Result<Response<Body>, HttpError> {
    let fault = {
        let faults = &mut world.lock().unwrap().faults;
        let place = faults.iter().position(|(method, _)| *method == request.method().as_str());
        place.and_then(|place| faults.remove(place)).map(|(_, fault)| fault)
    };
    match fault {
        Some(Fault::Busy) => {
            let body = "<Error><Code>SlowDown</Code><Message>Reduce your request rate.</Message></Error>";
            return Ok(Response::builder().status(503).body(Body::from(body.to_owned())).unwrap());
        }
        Some(Fault::Silence) => return std::future::pending().await,
        _ => {}
    }
    let mut response = hyper::service::Service::call(&service, request).await?;
    match fault {
        Some(Fault::Lost) => return Err(HttpError::new("lost".into())),
        Some(Fault::OddHeader) => {
            response.headers_mut().insert("x-odd", HeaderValue::from_bytes(b"\xc3\xa4").unwrap());
        }
        Some(fault @ (Fault::Stall | Fault::Cut)) => return Ok(halved(response, fault).await),
        _ => {}
    }
    Ok(response)
}

/// Announces the whole body, and sends half.
async fn halved(response: Response<Body>, fault: Fault) -> Response<Body> {
    let (mut parts, mut body) = response.into_parts();
    let mut whole = BytesMut::new();
    while let Some(chunk) = body.next().await {
        whole.extend_from_slice(&chunk.unwrap());
    }
    parts.headers.insert("content-length", HeaderValue::from(whole.len()));
    let half = whole
        .freeze()
        .slice(..parts.headers["content-length"].to_str().unwrap().parse::<usize>().unwrap() / 2);
    let end = stream::once(async move {
        if fault == Fault::Stall {
            std::future::pending::<Infallible>().await;
        }
        // Else the half would leave with the head, and the end would overtake both.
        tokio::time::sleep(Duration::from_millis(20)).await;
        Err(std::io::Error::other("cut"))
    });
    let sent: std::pin::Pin<Box<dyn Stream<Item = Result<Bytes, std::io::Error>> + Send + Sync>> =
        Box::pin(stream::once(async { Ok(half) }).chain(end));
    Response::from_parts(parts, Body::from(StreamingBlob::wrap(sent)))
}

struct Keys;

#[async_trait::async_trait]
impl S3Auth for Keys {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        match access_key {
            KEY => Ok(SecretKey::from(SECRET)),
            _ => Err(s3_error!(InvalidAccessKeyId)),
        }
    }
}

struct Policy(Arc<Mutex<World>>);

#[async_trait::async_trait]
impl S3Access for Policy {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        let key = context.credentials().ok_or_else(|| s3_error!(AccessDenied))?.access_key.clone();
        let operation = context.s3_op().name().to_owned();
        let about = match context.s3_path() {
            S3Path::Object { key, .. } => key.to_string(),
            _ => String::new(),
        };
        let mut world = self.0.lock().unwrap();
        if world.denied.iter().any(|denied| *denied == (key.as_str(), operation.as_str())) {
            return Err(s3_error!(AccessDenied));
        }
        world.calls.push((operation, about));
        Ok(())
    }
}

struct Store(Arc<Mutex<World>>);

impl Store {
    fn world(&self, bucket: &str) -> S3Result<MutexGuard<'_, World>> {
        if bucket == BUCKET { Ok(self.0.lock().unwrap()) } else { Err(s3_error!(NoSuchBucket)) }
    }
}

/// As AWS's: it follows from the content.
fn etag(bytes: &Bytes) -> ETag {
    ETag::Strong(Sha256::digest(bytes).iter().take(16).map(|byte| format!("{byte:02x}")).collect())
}

fn is_met(condition: &ETagCondition, object: Option<&Bytes>) -> bool {
    match (condition, object) {
        (_, None) => false,
        (ETagCondition::Any, Some(_)) => true,
        (ETagCondition::ETag(wanted), Some(bytes)) => *wanted == etag(bytes),
    }
}

#[async_trait::async_trait]
impl S3 for Store {
    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let input = request.input;
        let world = self.world(&input.bucket)?;
        let bytes = world.objects.get(&input.key).ok_or_else(|| s3_error!(NoSuchKey))?.clone();
        if input.if_none_match.is_some_and(|condition| is_met(&condition, Some(&bytes))) {
            return Err(s3_error!(NotModified));
        }
        Ok(S3Response::new(GetObjectOutput {
            content_length: Some(bytes.len() as i64),
            e_tag: Some(etag(&bytes)),
            body: Some(StreamingBlob::from(Body::from(bytes))),
            ..GetObjectOutput::default()
        }))
    }

    async fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let world = self.world(&request.input.bucket)?;
        let bytes = world.objects.get(&request.input.key).ok_or_else(|| s3_error!(NoSuchKey))?;
        let (content_length, e_tag) = (Some(bytes.len() as i64), Some(etag(bytes)));
        Ok(S3Response::new(HeadObjectOutput { content_length, e_tag, ..HeadObjectOutput::default() }))
    }

    async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let input = request.input;
        let mut bytes = BytesMut::new();
        if let Some(mut body) = input.body {
            while let Some(chunk) = body.next().await {
                bytes.extend_from_slice(&chunk.map_err(|error| s3_error!(InvalidRequest, "{error}"))?);
            }
        }
        // From here on one writer at a time: the check and the write are one step.
        let mut world = self.world(&input.bucket)?;
        let old = world.objects.get(&input.key);
        if !world.ignores_conditions {
            if input.if_match.is_some() && old.is_none() {
                return Err(s3_error!(NoSuchKey));
            }
            let fails = input.if_match.is_some_and(|condition| !is_met(&condition, old))
                || input.if_none_match.is_some_and(|condition| is_met(&condition, old));
            if fails {
                return Err(s3_error!(PreconditionFailed));
            }
        }
        let bytes = bytes.freeze();
        let e_tag = Some(etag(&bytes));
        world.objects.insert(input.key, bytes);
        Ok(S3Response::new(PutObjectOutput { e_tag, ..PutObjectOutput::default() }))
    }

    async fn delete_object(
        &self,
        request: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        self.world(&request.input.bucket)?.objects.remove(&request.input.key);
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    /// Two names a page, so that every list has several.
    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = request.input;
        let world = self.world(&input.bucket)?;
        let (prefix, after) =
            (input.prefix.unwrap_or_default(), input.continuation_token.unwrap_or_default());
        let mut names =
            world.objects.keys().filter(|name| name.starts_with(&prefix) && **name > after).cloned();
        let page: Vec<String> = names.by_ref().take(2).collect();
        let next = names.next().and_then(|_| page.last().cloned());
        // As AWS does, since the caller asks for it: XML cannot hold every name.
        let encode = |name: String| url::form_urlencoded::byte_serialize(name.as_bytes()).collect();
        let contents = page.into_iter().map(|name| Object { key: Some(encode(name)), ..Object::default() });
        Ok(S3Response::new(ListObjectsV2Output {
            contents: Some(contents.collect()),
            is_truncated: Some(next.is_some()),
            next_continuation_token: next,
            ..ListObjectsV2Output::default()
        }))
    }
}
