//! The store in a bucket.

use std::{cell::Cell, rc::Rc, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use rusoto_core::{
    ByteStream, Client, HttpClient, Region, RusotoError, request::HttpResponse, signature::SignedRequest,
};
use rusoto_credential::{AwsCredentials, StaticProvider};
use rusoto_s3::{
    DeleteObjectRequest, GetObjectError, GetObjectRequest, HeadObjectError, HeadObjectRequest,
    ListObjectsV2Error, ListObjectsV2Request, S3 as _, S3Client,
};
use url::Url;

use crate::{
    clock::Clock,
    config::{BucketConfig, Role},
    domain::RequestId,
    storage::{Fetched, Key, Object, Precondition, Storage, StorageError, Stores, Version},
};

use super::{
    attempts::{ANSWER_WITHIN, Call, Failure, answered, no_such_bucket, tried},
    base::Base,
    credentials::Credentials,
    sts::{Assumed, Sts},
};

/// A second for so many bytes is allowed to an upload, beyond the time for an answer.
const UPLOAD_A_SECOND: u64 = 256 * 1024;

/// Opens the bucket: a handle for reading, one for writing and one for exports. Nothing is asked of AWS yet. `host` is
/// in the sessions' names.
///
/// # Errors
/// When TLS cannot be set up.
pub fn open(config: &BucketConfig, host: &str, clock: Clock) -> Result<Stores, StorageError> {
    let http = HttpClient::new().map_err(|error| StorageError::Unavailable(format!("TLS: {error}")))?;
    let http = Arc::new(http);
    let sts = Sts { http: http.clone(), region: region(config, "sts", config.sts_endpoint.as_ref()) };
    let base = Base { variables: config.variables.clone(), sts: sts.clone() };
    let shared = Rc::new(Shared {
        bucket: config.bucket.clone(),
        region: region(config, "s3", config.s3_endpoint.as_ref()),
        http,
        sts,
        base: Rc::new(Credentials::new(base, clock)),
        clock,
    });
    let handle = |role: &Option<Role>, actor: &str| -> Rc<dyn Storage> {
        Rc::new(Bucket::new(shared.clone(), role.clone(), session(actor, host)))
    };
    Ok(Stores {
        read: handle(&config.roles.read, "storage_helper"),
        write: handle(&config.roles.write, "storage_helper"),
        export: handle(&config.roles.export, "exporter"),
    })
}

fn region(config: &BucketConfig, service: &str, endpoint: Option<&Url>) -> Region {
    let name = config.region.clone();
    let domain = if name.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    let of_aws = || format!("https://{service}.{name}.{domain}");
    let endpoint = endpoint.map_or_else(of_aws, |url| url.as_str().trim_end_matches('/').to_owned());
    Region::Custom { name, endpoint }
}

/// A session's name: at most 64 of the characters that AWS allows.
fn session(actor: &str, host: &str) -> String {
    let allowed = |c: &char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(*c);
    format!("{actor}@{host}").chars().filter(allowed).take(64).collect()
}

/// What the handles of one bucket have in common.
struct Shared {
    bucket: String,
    region: Region,
    http: Arc<HttpClient>,
    sts: Sts,
    base: Rc<Credentials>,
    clock: Clock,
}

/// One handle, acting in its role.
pub struct Bucket {
    shared: Rc<Shared>,
    role: Option<Role>,
    credentials: Rc<Credentials>,
}

impl Bucket {
    fn new(shared: Rc<Shared>, role: Option<Role>, session: String) -> Self {
        let credentials = match &role {
            None => shared.base.clone(),
            Some(role) => {
                let (sts, base, role) = (shared.sts.clone(), shared.base.clone(), role.clone());
                Rc::new(Credentials::new(Assumed { sts, base, role, session }, shared.clock))
            }
        };
        Self { shared, role, credentials }
    }

    /// What is said when a call fails.
    fn call<'a>(&'a self, operation: &'a str, about: &'a str, remedy: &'a str) -> Call<'a> {
        let identity = self.role.as_ref().map_or("the plain credentials", |role| &role.arn);
        Call { operation, about, identity, remedy }
    }

    /// Tries with a client that signs with the credentials of now.
    async fn with_client<T>(
        &self,
        attempt: impl AsyncFn(Client) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let used: Cell<Option<AwsCredentials>> = Cell::default();
        let attempt = async || {
            let credentials = self.credentials.get().await?;
            let client =
                Client::new_with(StaticProvider::from(credentials.clone()), self.shared.http.clone());
            used.set(Some(credentials));
            attempt(client).await
        };
        let renew = async || {
            if let Some(outdated) = used.take() {
                self.credentials.drop_outdated(&outdated).await;
            }
        };
        tried(attempt, renew).await
    }

    async fn with_s3<T>(
        &self,
        attempt: impl AsyncFn(S3Client) -> Result<T, Failure>,
    ) -> Result<T, StorageError> {
        let attempt =
            async |client| attempt(S3Client::new_with_client(client, self.shared.region.clone())).await;
        self.with_client(attempt).await.map_err(Failure::into_error)
    }

    async fn fetch(&self, key: &Key, known: Option<&Version>, limit: u64) -> Result<Fetched, StorageError> {
        let remedy = "grant it s3:GetObject there; without s3:ListBucket a missing object looks the same";
        let call = self.call("GetObject", key.as_str(), remedy);
        self.with_s3(async |client| {
            let request = GetObjectRequest {
                bucket: self.shared.bucket.clone(),
                key: key.as_str().to_owned(),
                if_none_match: known.map(|version| version.0.clone()),
                ..GetObjectRequest::default()
            };
            let got = match answered(ANSWER_WITHIN, client.get_object(request)).await? {
                Ok(got) => got,
                Err(RusotoError::Service(GetObjectError::NoSuchKey(_))) => return Ok(Fetched::Missing),
                Err(RusotoError::Unknown(answer)) if answer.status == 304 => return Ok(Fetched::Unchanged),
                Err(error) => return Err(call.failed(error)),
            };
            let version = version(got.e_tag)?;
            let length = got.content_length.and_then(|length| u64::try_from(length).ok());
            let bytes = read(got.body, length, limit).await?;
            Ok(Fetched::Changed(Object { bytes, version }))
        })
        .await
    }

    async fn send(
        &self,
        client: Client,
        key: &Key,
        bytes: Bytes,
        only_if: Option<&Precondition>,
    ) -> Result<Version, Failure> {
        let path = format!("/{}/{key}", self.shared.bucket);
        let mut request = SignedRequest::new("PUT", "s3", &self.shared.region, &path);
        request.set_content_type(content_type(key).to_owned());
        match only_if {
            None => {}
            Some(Precondition::Absent) => request.add_header("if-none-match", "*"),
            Some(Precondition::Matches(version)) => request.add_header("if-match", &version.0),
        }
        let upload = Duration::from_secs(bytes.len() as u64 / UPLOAD_A_SECOND);
        // As a buffer, so that the signature covers its hash.
        request.set_payload(Some(bytes));
        let sent = answered(ANSWER_WITHIN + upload, client.sign_and_dispatch(request)).await?;
        let call = self.call("PutObject", key.as_str(), "grant it s3:PutObject there");
        let mut answer: HttpResponse =
            sent.map_err(|error| call.failed(RusotoError::<std::convert::Infallible>::from(error)))?;
        let body = answered(ANSWER_WITHIN, answer.buffer()).await?;
        let body = body.map_err(|error| Failure::Passing(format!("the answer broke off: {error}")))?;
        if !body.status.is_success() {
            return Err(call.answer(&body));
        }
        version(body.headers.get("etag").cloned())
    }

    /// Whether a write whose answer never came happened all the same: then the object is what was to be written.
    async fn was_written(&self, key: &Key, bytes: &Bytes) -> Option<Version> {
        let object = self.get(key, bytes.len() as u64).await.ok()??;
        (object.bytes == bytes).then_some(object.version)
    }
}

#[async_trait(?Send)]
impl Storage for Bucket {
    async fn get(&self, key: &Key, limit: u64) -> Result<Option<Object>, StorageError> {
        match self.fetch(key, None, limit).await? {
            Fetched::Changed(object) => Ok(Some(object)),
            Fetched::Missing | Fetched::Unchanged => Ok(None),
        }
    }

    async fn get_if_changed(&self, key: &Key, known: &Version, limit: u64) -> Result<Fetched, StorageError> {
        self.fetch(key, Some(known), limit).await
    }

    async fn put(
        &self,
        key: &Key,
        bytes: Bytes,
        only_if: Option<Precondition>,
    ) -> Result<Version, StorageError> {
        let is_unclear = Cell::new(false);
        let sent = self
            .with_client(async |client| {
                let sent = self.send(client, key, bytes.clone(), only_if.as_ref()).await;
                is_unclear.set(is_unclear.get() || matches!(sent, Err(Failure::Passing(_))));
                sent
            })
            .await;
        let error = match sent {
            Ok(version) => return Ok(version),
            Err(failure) => failure.into_error(),
        };
        // An earlier try may have been the one that changed the object.
        let is_doubtful = matches!(error, StorageError::PreconditionFailed | StorageError::Unavailable(_));
        if only_if.is_some() && is_unclear.get() && is_doubtful {
            return self.was_written(key, &bytes).await.ok_or(error);
        }
        Err(error)
    }

    async fn delete(&self, key: &Key) -> Result<(), StorageError> {
        let call = self.call("DeleteObject", key.as_str(), "grant it s3:DeleteObject there");
        self.with_s3(async |client| {
            let request = DeleteObjectRequest {
                bucket: self.shared.bucket.clone(),
                key: key.as_str().to_owned(),
                ..DeleteObjectRequest::default()
            };
            let deleted = answered(ANSWER_WITHIN, client.delete_object(request)).await?;
            deleted.map(drop).map_err(|error| call.failed(error))
        })
        .await
    }

    async fn has(&self, key: &Key) -> Result<bool, StorageError> {
        let remedy = "grant it s3:GetObject there; without s3:ListBucket a missing object looks the same";
        let call = self.call("HeadObject", key.as_str(), remedy);
        self.with_s3(async |client| {
            let request = HeadObjectRequest {
                bucket: self.shared.bucket.clone(),
                key: key.as_str().to_owned(),
                ..HeadObjectRequest::default()
            };
            match answered(ANSWER_WITHIN, client.head_object(request)).await? {
                Ok(_) => Ok(true),
                // An answer to HEAD has no body that could name the error.
                Err(RusotoError::Service(HeadObjectError::NoSuchKey(_))) => Ok(false),
                Err(RusotoError::Unknown(answer)) if answer.status == 404 => Ok(false),
                Err(error) => Err(call.failed(error)),
            }
        })
        .await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Key>, StorageError> {
        let call = self.call("ListObjectsV2", prefix, "grant it s3:ListBucket");
        let (mut keys, mut next) = (Vec::new(), None);
        loop {
            let page = self
                .with_s3(async |client| {
                    let request = ListObjectsV2Request {
                        bucket: self.shared.bucket.clone(),
                        prefix: Some(prefix.to_owned()),
                        // Else a name that XML cannot hold makes the whole list unreadable.
                        encoding_type: Some("url".into()),
                        continuation_token: next.clone(),
                        ..ListObjectsV2Request::default()
                    };
                    let listed = answered(ANSWER_WITHIN, client.list_objects_v2(request)).await?;
                    listed.map_err(|error| match error {
                        RusotoError::Service(ListObjectsV2Error::NoSuchBucket(_)) => no_such_bucket(),
                        error => call.failed(error),
                    })
                })
                .await?;
            let names = page.contents.unwrap_or_default().into_iter().filter_map(|object| object.key);
            keys.extend(names.filter_map(|name| Key::parse(&decoded(&name))));
            next = page.next_continuation_token;
            if next.is_none() {
                keys.sort();
                return Ok(keys);
            }
        }
    }

    fn link(&self, key: &Key) -> String {
        format!("s3://{}/{key}", self.shared.bucket)
    }

    fn in_name_of(&self, request: RequestId) -> Option<Rc<dyn Storage>> {
        let role = self.role.clone()?;
        Some(Rc::new(Self::new(self.shared.clone(), Some(role), request.to_string())))
    }
}

fn version(etag: Option<String>) -> Result<Version, Failure> {
    etag.map(Version).ok_or_else(|| Failure::Passing("the answer has no ETag".into()))
}

/// Reads a body: never more than `limit` bytes, and not less than was announced. A connection whose thread has ended
/// ends the body early without an error.
async fn read(body: Option<ByteStream>, announced: Option<u64>, limit: u64) -> Result<Bytes, Failure> {
    let too_large = || Failure::Certain(StorageError::TooLarge { limit });
    if announced.is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let mut bytes =
        BytesMut::with_capacity(announced.and_then(|n| usize::try_from(n).ok()).unwrap_or_default());
    let Some(mut body) = body else { return Ok(Bytes::new()) };
    while let Some(chunk) = answered(ANSWER_WITHIN, body.next()).await? {
        let chunk = chunk.map_err(|error| Failure::Passing(format!("the answer broke off: {error}")))?;
        bytes.extend_from_slice(&chunk);
        if bytes.len() as u64 > limit {
            return Err(too_large());
        }
    }
    if announced.is_some_and(|length| length != bytes.len() as u64) {
        return Err(Failure::Passing("the answer was cut short".into()));
    }
    Ok(bytes.freeze())
}

/// A name as it was before it was encoded for a list.
fn decoded(name: &str) -> String {
    url::form_urlencoded::parse(name.as_bytes()).next().map(|(name, _)| name.into_owned()).unwrap_or_default()
}

fn content_type(key: &Key) -> &'static str {
    match key.as_str().rsplit_once('.') {
        Some((_, "json")) => "application/json",
        Some((_, "png")) => "image/png",
        Some((_, "gz")) => "application/gzip",
        _ => "application/octet-stream",
    }
}
