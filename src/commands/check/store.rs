//! Tries the store: that it is read, that conditions of writes are kept, that each role may what it must and no more.

use crate::{
    config::{BucketConfig, StoreConfig},
    storage::{Key, Storage, StorageError, Stores, trial, users_file},
};

use super::Finding;

const STORE: &str = "STATUSINATOR_STORE";
const READ: &str = "STATUSINATOR_READ_ROLE_ARN";
const WRITE: &str = "STATUSINATOR_WRITE_ROLE_ARN";
const EXPORT: &str = "STATUSINATOR_EXPORT_ROLE_ARN";
const NO_ROLE: &str = "not set: the plain credentials are used";

/// What was found of the store and, in a bucket, of the roles.
pub async fn check(stores: &Stores, config: &StoreConfig) -> Vec<Finding> {
    let mut findings = vec![
        Finding::new(STORE, readable(&*stores.read).await),
        Finding::new(STORE, conditions(&*stores.write).await),
    ];
    if let StoreConfig::Bucket(bucket) = config {
        findings.extend(roles(stores, bucket).await);
    }
    findings
}

async fn readable(store: &dyn Storage) -> Result<String, String> {
    let users = store.get(&Key::users(), users_file::AT_MOST).await.map_err(told)?;
    let tokens = store.list("tokens/").await.map_err(told)?.len();
    let Some(users) = users else { return Ok("readable; nobody is onboarded yet".into()) };
    let file = users_file::parse(&users.bytes)
        .map_err(|why| format!("users.json is damaged: {why}; put an older version of it in its place"))?;
    Ok(format!("readable; onboarded: {}, authorised: {tokens}", file.users.len()))
}

async fn conditions(store: &dyn Storage) -> Result<String, String> {
    let tried = trial::conditions(store).await;
    tried.map(|()| "writable, and conditions of writes are kept".into()).map_err(|unfit| unfit.to_string())
}

async fn roles(stores: &Stores, bucket: &BucketConfig) -> [Finding; 3] {
    let roles = &bucket.roles;
    let read = match &roles.read {
        None => Ok(NO_ROLE.into()),
        Some(_) => reads_only(&*stores.read).await,
    };
    let write = match &roles.write {
        None => Ok(NO_ROLE.into()),
        // What it must was tried with the conditions.
        Some(_) => denied(trial::write_below(&*stores.write, "exports").await, "write below exports/")
            .map(|()| "assumed; writes no exports".into()),
    };
    let export = match &roles.export {
        None => Ok(NO_ROLE.into()),
        Some(_) => exports_only(&*stores.export).await,
    };
    [Finding::new(READ, read), Finding::new(WRITE, write), Finding::new(EXPORT, export)]
}

async fn reads_only(store: &dyn Storage) -> Result<String, String> {
    store.list("tokens/").await.map_err(told)?;
    denied(trial::write_below(store, "check").await, "write")?;
    Ok("assumed; reads and cannot write".into())
}

async fn exports_only(store: &dyn Storage) -> Result<String, String> {
    trial::write_below(store, "exports").await.map_err(told)?;
    denied(trial::write_below(store, "check").await, "write beside exports/")?;
    denied(store.get(&Key::users(), users_file::AT_MOST).await.map(drop), "read users.json")?;
    Ok("assumed; writes exports and nothing else".into())
}

/// What a role must not do must be denied.
fn denied(tried: Result<(), StorageError>, what: &str) -> Result<(), String> {
    match tried {
        Err(StorageError::Denied(_)) => Ok(()),
        Ok(()) => Err(format!("the role may also {what}; take that from its policy")),
        Err(error) => Err(told(error)),
    }
}

fn told(error: StorageError) -> String {
    error.to_string()
}
