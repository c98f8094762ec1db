//! Reads and writes the store for everybody else.
//!
//! Receives [`ReadUsers`], [`GetPicture`], [`GetToken`], [`PutToken`], [`RemoveToken`], [`TokenOwners`].

use std::{sync::Arc, time::SystemTime};

use actix::Message;

use crate::{
    domain::{RequestId, UserId, Users},
    pictures::Picture,
    slack::{Fingerprint, Token},
    storage::StorageError,
};

/// Asks for `users.json`, if it changed since the last [`ReadUsers`] that succeeded.
#[derive(Debug, Message)]
#[rtype(result = "Result<UsersRead, UsersError>")]
pub struct ReadUsers;

/// What [`ReadUsers`] found.
#[derive(Debug, Clone)]
pub enum UsersRead {
    /// The version read last still stands.
    Unchanged,
    /// Another version.
    Changed {
        /// Everybody in it.
        users: Arc<Users>,
        /// The file's size.
        bytes: u64,
    },
}

/// Why `users.json` could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UsersError {
    /// It is there, but damaged; or it was there and is gone.
    #[error("users.json is damaged: {0}")]
    Broken(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StorageError),
}

/// Asks for the picture behind a link of `users.json`.
#[derive(Debug, Message)]
#[rtype(result = "Result<Picture, PictureError>")]
pub struct GetPicture {
    /// Whose preset has the link.
    pub user: UserId,
    /// The link as `users.json` has it.
    pub link: String,
}

/// Why a picture could not be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PictureError {
    /// The link does not end with this member's folder and a UUID.
    #[error("the link is not one of his pictures")]
    NotHis,
    /// There is no such picture.
    #[error("the picture is not in the store")]
    Missing,
    /// It is no picture that Slack would take.
    #[error("the picture is damaged or not as slack wants it: {0}")]
    Damaged(String),
    /// The store failed; another time it may not.
    #[error(transparent)]
    Store(#[from] StorageError),
}

/// Asks for a member's token.
#[derive(Debug, Message)]
#[rtype(result = "Result<Option<Token>, VaultError>")]
pub struct GetToken {
    /// Whose.
    pub user: UserId,
}

/// Seals a member's token and stores it in place of his old one.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), VaultError>")]
pub struct PutToken {
    /// Whose.
    pub user: UserId,
    /// The token.
    pub token: Token,
    /// Names the call in the log.
    pub request: RequestId,
}

/// Removes a member's token, if it is the one meant. Answers whether one was removed.
#[derive(Debug, Message)]
#[rtype(result = "Result<bool, VaultError>")]
pub struct RemoveToken {
    /// Whose.
    pub user: UserId,
    /// Which one.
    pub which: Which,
}

/// Which token is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// This very one.
    This(Fingerprint),
    /// Any that was stored at this time or earlier.
    StoredUntil(SystemTime),
}

/// Asks whose tokens the vault has.
#[derive(Debug, Message)]
#[rtype(result = "Result<Vec<UserId>, VaultError>")]
pub struct TokenOwners;

/// Why a token could not be had or kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// The token is there, but none of the keys opens it.
    #[error("no vault key opens the token")]
    NoKeyOpens,
    /// There are tokens but no key, and making one now would lock them out.
    #[error("the vault has no key")]
    NoKey,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StorageError),
}
