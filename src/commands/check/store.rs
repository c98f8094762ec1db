//! Tries the store: that it is read, that conditions of writes are kept, that each role may what it must and no more.

use crate::{
    config::{BucketConfig, StoreConfig},
    storage::{Key, Storage, StorageError, Stores, trial, trial::Unfit, users_file},
};

use super::Finding;

/// Names the store.
pub const STORE: &str = "STATUSINATOR_STORE";
const READ: &str = "STATUSINATOR_READ_ROLE_ARN";
const WRITE: &str = "STATUSINATOR_WRITE_ROLE_ARN";
const EXPORT: &str = "STATUSINATOR_EXPORT_ROLE_ARN";
const NO_ROLE: &str = "not set: the plain credentials are used";

/// What was found of the store and, in a bucket, of the roles.
pub async fn check(stores: &Stores, config: &StoreConfig) -> Vec<Finding> {
    let readable = readable(&*stores.read).await;
    let conditions = trial::conditions(&*stores.write).await;
    let told = |found: Tried| found.map_err(|failed| failed.told(config));
    let mut findings =
        vec![Finding::new(STORE, told(readable)), Finding::new(STORE, told(writable(&conditions)))];
    if let StoreConfig::Bucket(bucket) = config {
        let roles = roles(stores, bucket, &conditions).await;
        findings.extend(roles.map(|(about, found)| Finding::new(about, told(found))));
    }
    findings
}

/// What a trial found.
pub type Tried = Result<String, Failed>;

/// How a trial failed.
pub enum Failed {
    /// The store said so.
    Store(StorageError),
    /// What is wrong, and what to do about it.
    Else(String),
}

impl From<StorageError> for Failed {
    fn from(error: StorageError) -> Self {
        Self::Store(error)
    }
}

impl Failed {
    /// What is wrong and what to do about it, naming the settings.
    pub fn told(&self, config: &StoreConfig) -> String {
        match (self, config) {
            (Self::Else(why), _) => why.clone(),
            (Self::Store(error @ StorageError::Unavailable(_)), StoreConfig::Bucket(_)) => format!(
                "{error}; see AWS_REGION, AWS_ENDPOINT_URL_S3 and AWS_ENDPOINT_URL_STS, and that they can be reached from here"
            ),
            (Self::Store(error @ StorageError::TooLarge { .. }), _) => {
                format!("{error}; put an older version of it in its place")
            }
            (Self::Store(error), StoreConfig::Folder(folder)) => {
                let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.clone());
                format!(
                    "{error}; see that {} is a folder which this user may read and write",
                    folder.display()
                )
            }
            (Self::Store(error), StoreConfig::Bucket(_)) => error.to_string(),
        }
    }
}

async fn readable(store: &dyn Storage) -> Tried {
    let users = store.get(&Key::users(), users_file::AT_MOST).await?;
    let tokens = store.list("tokens/").await?.len();
    let Some(users) = users else { return Ok("readable; nobody is onboarded yet".into()) };
    let damaged =
        |why| Failed::Else(format!("users.json is damaged: {why}; put an older version of it in its place"));
    let file = users_file::parse(&users.bytes).map_err(damaged)?;
    Ok(format!("readable; onboarded: {}, authorised: {tokens}", file.users.len()))
}

fn writable(conditions: &Result<(), Unfit>) -> Tried {
    match conditions {
        Ok(()) => Ok("writable, and conditions of writes are kept".into()),
        Err(Unfit::Untried(error)) => Err(error.clone().into()),
        Err(unfit) => Err(Failed::Else(unfit.to_string())),
    }
}

async fn roles(
    stores: &Stores,
    bucket: &BucketConfig,
    conditions: &Result<(), Unfit>,
) -> [(&'static str, Tried); 3] {
    let roles = &bucket.roles;
    let read = match &roles.read {
        None => Ok(NO_ROLE.into()),
        Some(_) => reads_only(&*stores.read).await,
    };
    let write = match &roles.write {
        None => Ok(NO_ROLE.into()),
        Some(_) => writes_no_exports(&*stores.write, conditions).await,
    };
    let export = match &roles.export {
        None => exports(stores).await.map(|()| NO_ROLE.into()),
        Some(_) => exports_only(stores).await,
    };
    [(READ, read), (WRITE, write), (EXPORT, export)]
}

async fn reads_only(store: &dyn Storage) -> Tried {
    store.list("tokens/").await?;
    denied(trial::write_below(store, "check").await, "write")?;
    Ok("assumed; reads and cannot write".into())
}

/// What it must was tried with the conditions; if that was denied, so is everything, and tells nothing of exports.
async fn writes_no_exports(store: &dyn Storage, conditions: &Result<(), Unfit>) -> Tried {
    if let Err(Unfit::Untried(error)) = conditions {
        return Err(error.clone().into());
    }
    denied(trial::write_below(store, "exports").await, "write below exports/")?;
    Ok("assumed; writes no exports".into())
}

/// Over an export, where there is one: what that says is for sure.
async fn exports(stores: &Stores) -> Result<(), Failed> {
    let earlier = stores.read.list("exports/").await.unwrap_or_default();
    match earlier.first() {
        None => Ok(trial::write_below(&*stores.export, "exports").await?),
        Some(export) => match trial::write_over(&*stores.export, export).await {
            Err(denied @ StorageError::Denied(_)) => Err(Failed::Else(denied.to_string())),
            written => Ok(written?),
        },
    }
}

async fn exports_only(stores: &Stores) -> Tried {
    let store = &*stores.export;
    let found = match exports(stores).await {
        Ok(()) => "assumed; writes exports and nothing else",
        // Before the first export, AWS denies the trial to a role that may write exports and, as it should be, read none.
        Err(Failed::Store(StorageError::Denied(why))) if why.contains("for PutObject exports/") => {
            "assumed; does nothing else. Whether it writes exports shows with the first one, of which /readyz tells"
        }
        Err(failed) => return Err(failed),
    };
    denied(trial::write_below(store, "check").await, "write beside exports/")?;
    denied(store.get(&Key::users(), users_file::AT_MOST).await.map(drop), "read users.json")?;
    Ok(found.into())
}

/// What a role must not do must be denied.
fn denied(tried: Result<(), StorageError>, what: &str) -> Result<(), Failed> {
    match tried {
        Err(StorageError::Denied(_)) => Ok(()),
        Ok(()) => Err(Failed::Else(format!("the role may also {what}; take that from its policy"))),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::MemoryStorage;

    #[actix::test]
    async fn a_write_role_that_may_do_nothing_is_not_praised_for_writing_no_exports() {
        let denied = StorageError::Denied("AccessDenied for AssumeRole".into());

        let found = writes_no_exports(&MemoryStorage::default(), &Err(Unfit::Untried(denied.clone()))).await;

        assert!(matches!(found, Err(Failed::Store(error)) if error == denied));
    }
}
