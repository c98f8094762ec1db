//! Credentials, kept until shortly before they end.
//!
//! rusoto's own keeper remembers an error for ever and never ends when credentials come that have seconds to live.

use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use rusoto_credential::AwsCredentials;
use tokio::sync::Mutex;

use crate::{
    clock::{Clock, Instant},
    storage::StorageError,
};

/// So long before their end they are renewed.
const AHEAD: Duration = Duration::from_secs(5 * 60);
/// Their source is asked again so long after it failed, or gave some that have little left.
const AGAIN_AFTER: Duration = Duration::from_secs(2);
/// How long the source may take.
const WITHIN: Duration = Duration::from_secs(5);

/// Credentials, and until when they are good.
#[derive(Debug, Clone)]
pub struct Keys {
    /// What requests are signed with.
    pub credentials: AwsCredentials,
    /// When they end; `None` if they do not.
    pub until: Option<SystemTime>,
}

/// Where credentials come from.
#[async_trait(?Send)]
pub trait Source {
    /// Gets fresh ones.
    ///
    /// # Errors
    /// [`StorageError::Denied`] when somebody must act, [`StorageError::Unavailable`] when another time may do.
    async fn fetch(&self) -> Result<Keys, StorageError>;
}

/// The keeper: asks its source once, however many wait.
pub struct Credentials {
    source: Box<dyn Source>,
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    keys: Option<Keys>,
    /// The source is not asked before.
    rests_until: Option<Instant>,
    failed: Option<StorageError>,
}

impl Credentials {
    /// Keeps what this source gives.
    pub fn new(source: impl Source + 'static, clock: Clock) -> Self {
        Self { source: Box::new(source), clock, state: Mutex::default() }
    }

    /// Credentials that are good now.
    ///
    /// # Errors
    /// As the source failed, if there are none from before that still are good.
    pub async fn get(&self) -> Result<AwsCredentials, StorageError> {
        let mut state = self.state.lock().await;
        let left = |keys: &Keys| match keys.until {
            None => Duration::MAX,
            Some(until) => until.duration_since(self.clock.wall()).unwrap_or_default(),
        };
        let usable = state.keys.clone().filter(|keys| !left(keys).is_zero());
        if let Some(keys) = &usable
            && left(keys) > AHEAD
        {
            return Ok(keys.credentials.clone());
        }
        if state.rests_until.is_none_or(|until| until <= Instant::now()) {
            state.rests_until = Some(Instant::now() + AGAIN_AFTER);
            let late = |_| Err(StorageError::Unavailable("credentials did not come in time".into()));
            match tokio::time::timeout(WITHIN, self.source.fetch()).await.unwrap_or_else(late) {
                Ok(keys) => {
                    let credentials = keys.credentials.clone();
                    (state.keys, state.failed) = (Some(keys), None);
                    return Ok(credentials);
                }
                Err(error) => state.failed = Some(error),
            }
        }
        let unknown = || StorageError::Unavailable("credentials are on their way".into());
        usable.map(|keys| keys.credentials).ok_or_else(|| state.failed.clone().unwrap_or_else(unknown))
    }

    /// Drops these, which AWS no longer takes; others that came meanwhile stay.
    pub async fn drop_outdated(&self, outdated: &AwsCredentials) {
        let mut state = self.state.lock().await;
        let is_that = |keys: &Keys| {
            keys.credentials.aws_access_key_id() == outdated.aws_access_key_id()
                && keys.credentials.token() == outdated.token()
        };
        if state.keys.as_ref().is_some_and(is_that) {
            *state = State::default();
        }
    }
}
