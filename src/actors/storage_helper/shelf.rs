//! What the helper's futures share: the store, the vault, and a deadline on every read and write.

use std::{cell::RefCell, rc::Rc, time::Duration};

use actix::Recipient;
use bytes::Bytes;
use tokio::sync::Mutex;

use crate::{
    actors::event_listener::Missed,
    clock::{Clock, Instant},
    domain::{RequestId, UserId},
    metrics::{Metric, Recorder},
    pictures::{self, Picture},
    storage::{Fetched, Key, Object, Storage, StorageError, Stores, Version, users_file},
    vault::{SEALED_AT_MOST, Stored, Vault},
};

use super::{PictureError, UsersError, VaultError, Which, album::Album};

/// How long a read or a write may take, and how long that of a picture.
pub(super) const DEADLINE: Duration = Duration::from_secs(10);
pub(super) const PICTURE_DEADLINE: Duration = Duration::from_secs(30);

/// The store and its vault, as the actor and its futures share them.
#[derive(Clone)]
pub(super) struct Shelf {
    pub(super) stores: Stores,
    pub(super) state: Rc<dyn Storage>,
    pub(super) vault: Option<Rc<Vault>>,
    pub(super) recorder: Recorder,
    pub(super) clock: Clock,
    /// Pictures that were read lately.
    pub(super) album: Rc<RefCell<Album>>,
    /// Hears that `users.json` is damaged.
    pub(super) on_damage: Recipient<Missed>,
    /// Held while a token is replaced or removed: what is removed must be what was looked at.
    pub(super) replacing: Rc<Mutex<()>>,
}

impl Shelf {
    /// Does what `work` says within the deadline.
    pub(super) async fn within<T>(
        deadline: Duration,
        work: impl Future<Output = Result<T, StorageError>>,
    ) -> Result<T, StorageError> {
        let late = |_| Err(StorageError::Unavailable(format!("no answer within {} s", deadline.as_secs())));
        tokio::time::timeout(deadline, work).await.unwrap_or_else(late)
    }

    /// Does a read, and records how long it took.
    pub(super) async fn read<T>(
        &self,
        deadline: Duration,
        work: impl Future<Output = Result<T, StorageError>>,
    ) -> Result<T, StorageError> {
        let began = Instant::now();
        let read = Self::within(deadline, work).await;
        self.recorder.took(Metric::S3FetchLatency, began.elapsed());
        read
    }

    pub(super) async fn users(&self, known: Option<Version>) -> Result<Fetched, UsersError> {
        let fetched = self.fetch(DEADLINE, &Key::users(), known.as_ref(), users_file::AT_MOST).await?;
        self.was_there(&fetched).await?;
        Ok(fetched)
    }

    /// Reads an object unless it still is `known`.
    async fn fetch(
        &self,
        deadline: Duration,
        key: &Key,
        known: Option<&Version>,
        limit: u64,
    ) -> Result<Fetched, StorageError> {
        let store = &self.stores.read;
        if let Some(known) = known {
            return self.read(deadline, store.get_if_changed(key, known, limit)).await;
        }
        let object = self.read(deadline, store.get(key, limit)).await?;
        Ok(object.map_or(Fetched::Missing, Fetched::Changed))
    }

    /// Has a `users.json` that was found damaged read by who says so in `/readyz`.
    pub(super) fn told<T>(&self, found: Result<T, UsersError>) -> Result<T, UsersError> {
        if matches!(found, Err(UsersError::Broken(_))) {
            self.on_damage.do_send(Missed);
        }
        found
    }

    /// Once `users.json` was there, that it is missing is damage: an empty one would forget everybody.
    pub(super) async fn was_there(&self, fetched: &Fetched) -> Result<(), UsersError> {
        let noted = Self::within(DEADLINE, self.state.get(&Key::users_seen(), 16)).await?.is_some();
        match fetched {
            Fetched::Missing if noted => Err(UsersError::Broken("it was there and is gone".into())),
            Fetched::Changed(_) if !noted => {
                let key = Key::users_seen();
                let note = self.state.put(&key, Bytes::from_static(b"seen"), None);
                Self::within(DEADLINE, note).await?;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    pub(super) async fn picture(&self, user: &UserId, link: &str) -> Result<Picture, PictureError> {
        let key = pictures::key_of(user, link).map_err(|_| PictureError::NotHis)?;
        let kept = self.album.borrow().find(&key);
        let known = kept.as_ref().map(|(version, _)| version);
        let fetched = self.fetch(PICTURE_DEADLINE, &key, known, pictures::AT_MOST).await;
        let (version, picture) = match (fetched, kept) {
            (Ok(Fetched::Changed(object)), _) => (object.version, self.checked(object.bytes).await?),
            (Ok(Fetched::Unchanged), Some(kept)) => kept,
            (Ok(Fetched::Missing | Fetched::Unchanged), _) => return Err(PictureError::Missing),
            (Err(StorageError::TooLarge { limit }), _) => {
                return Err(PictureError::Damaged(format!("it has more than {limit} bytes")));
            }
            (Err(error), _) => return Err(error.into()),
        };
        self.album.borrow_mut().keep(key, version, picture.clone());
        Ok(picture)
    }

    async fn checked(&self, bytes: Bytes) -> Result<Picture, PictureError> {
        let checked = self.clock.offload(move || Picture::check(bytes)).await;
        checked.unwrap_or_else(|| Err("it cannot be decoded".into())).map_err(PictureError::Damaged)
    }

    pub(super) async fn token(&self, user: &UserId) -> Result<Option<Stored>, VaultError> {
        let object = self.read(DEADLINE, self.stores.read.get(&Key::token(user), SEALED_AT_MOST)).await?;
        let Some(Object { bytes, .. }) = object else { return Ok(None) };
        let vault = self.vault.as_ref().ok_or(VaultError::NoKey)?;
        vault.open(user, &bytes).map(Some).map_err(|_| VaultError::NoKeyOpens)
    }

    pub(super) async fn token_owners(&self) -> Result<Vec<UserId>, VaultError> {
        let keys = self.read(DEADLINE, self.stores.read.list("tokens/")).await?;
        Ok(keys.iter().filter_map(|key| key.user_below("tokens/")).collect())
    }

    pub(super) async fn put_token(
        &self,
        user: &UserId,
        stored: &Stored,
        request: RequestId,
    ) -> Result<(), VaultError> {
        let vault = self.vault.as_ref().ok_or(VaultError::NoKey)?;
        let sealed = vault.seal(user, stored).map_err(|_| VaultError::NoKey)?;
        let _turn = self.replacing.lock().await;
        Self::within(DEADLINE, self.stores.write_for(request).put(&Key::token(user), sealed, None)).await?;
        Ok(())
    }

    pub(super) async fn remove_token(&self, user: &UserId, which: &Which) -> Result<bool, VaultError> {
        let _turn = self.replacing.lock().await;
        let stored = || async { self.token(user).await };
        let is_meant = match which {
            Which::Any => true,
            Which::This(fingerprint) => {
                stored().await?.is_some_and(|stored| stored.token.fingerprint() == *fingerprint)
            }
            Which::StoredUntil(until) => stored().await?.is_some_and(|stored| stored.at <= *until),
        };
        if is_meant {
            Self::within(DEADLINE, self.stores.write.delete(&Key::token(user))).await?;
        }
        Ok(is_meant)
    }
}
