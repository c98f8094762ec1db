//! What follows when Slack says that tokens were revoked, or that the app was uninstalled.

use std::time::Duration;

use actix::Addr;
use slog::{Logger, error, info};

use crate::{
    applied::Change,
    domain::{UserId, Users},
    logging::escape,
};

use super::{
    event_listener::{Revoke, Revoked},
    reconciler::{Reconciler, Remember},
    storage_helper::{GetToken, RemoveToken, StorageHelper, TokenOwners, VaultError, Which},
};

/// Removes the tokens from the vault, except those stored over a second after the event. Who is named and has
/// no token left has withdrawn his consent.
pub async fn carry_out(
    revoke: Revoke,
    storage: &Addr<StorageHelper>,
    onboarded: &Users,
    reconciler: &Addr<Reconciler>,
    log: &Logger,
) {
    let (users, are_named) = match &revoke.whose {
        Revoked::Members(users) => (users.clone(), true),
        Revoked::Everybody => (everybody(storage, log).await, false),
    };
    for user in users {
        let which = Which::StoredUntil(revoke.event_time + Duration::from_secs(1));
        let removed = match storage.send(RemoveToken { user: user.clone(), which }).await {
            Ok(Ok(removed)) => removed,
            Ok(Err(error)) => {
                could_not(&user, &error, log);
                false
            }
            Err(_) => false,
        };
        if removed {
            info!(log, "a revoked token was removed"; "user" => user.as_str());
        }
        if are_named && (removed || onboarded.contains_key(&user)) && has_none(storage, &user).await {
            reconciler.do_send(Remember { user, change: Change::Withdrew });
        }
    }
}

async fn everybody(storage: &Addr<StorageHelper>, log: &Logger) -> Vec<UserId> {
    match storage.send(TokenOwners).await {
        Ok(Ok(users)) => users,
        Ok(Err(error)) => {
            error!(log, "the app was uninstalled, but the vault cannot be listed"; "error" => escape(&error.to_string()),
                "todo" => "remove the files under tokens/ in the store");
            Vec::new()
        }
        Err(_) => Vec::new(),
    }
}

async fn has_none(storage: &Addr<StorageHelper>, user: &UserId) -> bool {
    matches!(storage.send(GetToken { user: user.clone() }).await, Ok(Ok(None)))
}

fn could_not(user: &UserId, error: &VaultError, log: &Logger) {
    error!(log, "a revoked token could not be removed"; "user" => user.as_str(), "error" => escape(&error.to_string()),
        "todo" => "none: slack refuses the token, and then it is removed");
}
