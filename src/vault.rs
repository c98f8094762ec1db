//! Members' tokens, sealed with XChaCha20-Poly1305.
//!
//! A sealed token is a random nonce of 24 bytes and the ciphertext; the member's id is associated data, so that one
//! member's token does not open as another's. The first key seals, all keys open: that is how a key is replaced.

use std::{
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use chacha20poly1305::{
    KeyInit as _, XChaCha20Poly1305, XNonce,
    aead::{Aead as _, Payload},
};
use serde::{Deserialize, Serialize};

use crate::{config::VaultKey, domain::UserId, slack::Token, storage::Storage};

/// The length of a nonce, in bytes.
const NONCE: usize = 24;

/// How long a sealed token may be, in bytes.
pub const SEALED_AT_MOST: u64 = 64 * 1024;

/// Seals and opens tokens.
pub struct Vault(Vec<XChaCha20Poly1305>);

/// A token as it was stored.
#[derive(Debug, Clone)]
pub struct Stored {
    /// The token.
    pub token: Token,
    /// When it was stored.
    pub at: SystemTime,
}

#[derive(Serialize, Deserialize)]
struct Plain {
    token: String,
    stored_at_ms: u64,
}

/// Tells that none of the keys opens a token.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("no vault key opens the token")]
pub struct NoKeyOpens;

impl Vault {
    /// A vault with these keys, the sealing one first.
    pub fn new(keys: Vec<VaultKey>) -> Self {
        Self(keys.iter().map(|key| XChaCha20Poly1305::new((&key.0).into())).collect())
    }

    /// Seals a member's token.
    ///
    /// # Errors
    /// [`NoKeyOpens`] when the vault has no key.
    pub fn seal(&self, user: &UserId, stored: &Stored) -> Result<Bytes, NoKeyOpens> {
        let since = stored.at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let stored_at_ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        let plain = Plain { token: stored.token.expose().to_owned(), stored_at_ms };
        let msg = serde_json::to_vec(&plain).map_err(|_| NoKeyOpens)?;
        let nonce: [u8; NONCE] = rand::random();
        let payload = Payload { msg: &msg, aad: user.as_str().as_bytes() };
        let cipher = self.0.first().ok_or(NoKeyOpens)?;
        let sealed = cipher.encrypt(&XNonce::from(nonce), payload).map_err(|_| NoKeyOpens)?;
        Ok([nonce.as_slice(), &sealed].concat().into())
    }

    /// Opens a member's token.
    ///
    /// # Errors
    /// [`NoKeyOpens`] when it was sealed with another key, for another member, or is damaged.
    pub fn open(&self, user: &UserId, sealed: &[u8]) -> Result<Stored, NoKeyOpens> {
        let plain = self.0.iter().find_map(|cipher| decrypt(cipher, user, sealed)).ok_or(NoKeyOpens)?;
        let plain: Plain = serde_json::from_slice(&plain).map_err(|_| NoKeyOpens)?;
        Ok(Stored {
            token: Token::new(plain.token),
            at: UNIX_EPOCH + Duration::from_millis(plain.stored_at_ms),
        })
    }

    /// Whether there are older keys, whose tokens are to be sealed anew.
    pub fn has_older_keys(&self) -> bool {
        self.0.len() > 1
    }

    /// Whether the key that seals opens a token, so that it needs no older one.
    pub fn is_current(&self, user: &UserId, sealed: &[u8]) -> bool {
        self.0.first().is_some_and(|cipher| decrypt(cipher, user, sealed).is_some())
    }
}

fn decrypt(cipher: &XChaCha20Poly1305, user: &UserId, sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, msg) = sealed.split_first_chunk::<NONCE>()?;
    cipher.decrypt(&XNonce::from(*nonce), Payload { msg, aad: user.as_str().as_bytes() }).ok()
}

/// Reads a key from base64.
///
/// # Errors
/// What is wrong with it, without showing it.
pub fn parse_key(text: &str) -> Result<VaultKey, &'static str> {
    let bytes = STANDARD.decode(text.trim()).map_err(|_| "not base64")?;
    bytes.try_into().map(VaultKey).map_err(|_| "not 32 bytes")
}

/// The key in the file; made there if the file is missing and the store has no token yet. `None` when the file is
/// missing while tokens exist: a new key would lock them out.
///
/// # Errors
/// When the file cannot be read or written, others may read it, or it does not hold a key.
pub async fn key_file(path: &Path, store: &dyn Storage) -> anyhow::Result<Option<VaultKey>> {
    match read_key(path)? {
        Some(key) => Ok(Some(key)),
        None if store.list("tokens/").await?.is_empty() => make_key(path).map(Some),
        None => Ok(None),
    }
}

/// The key in the file; `None` if the file is missing.
///
/// # Errors
/// When the file cannot be read, others may read it, or it does not hold a key.
pub fn read_key(path: &Path) -> anyhow::Result<Option<VaultKey>> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let mode = std::fs::metadata(path)?.permissions().mode();
    anyhow::ensure!(mode & 0o077 == 0, "others may read it: chmod 600 {}", path.display());
    parse_key(&text).map(Some).map_err(|why| anyhow::anyhow!("it does not hold a key: {why}"))
}

fn make_key(path: &Path) -> anyhow::Result<VaultKey> {
    let key = VaultKey(rand::random());
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file =
        tempfile::Builder::new().permissions(std::fs::Permissions::from_mode(0o600)).tempfile_in(folder)?;
    writeln!(file, "{}", STANDARD.encode(key.0))?;
    file.as_file().sync_all()?;
    file.persist_noclobber(path)?;
    std::fs::File::open(folder)?.sync_all()?;
    Ok(key)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::storage::{Key, MemoryStorage};

    fn user(id: &str) -> UserId {
        id.parse().unwrap()
    }

    fn stored(token: &str) -> Stored {
        Stored { token: Token::new(token), at: UNIX_EPOCH + Duration::from_millis(1_700_000_000_123) }
    }

    #[test]
    fn a_sealed_token_opens_for_its_member_only() {
        let vault = Vault::new(vec![VaultKey([1; 32])]);
        let sealed = vault.seal(&user("U1"), &stored("xoxp-secret")).unwrap();

        let opened = vault.open(&user("U1"), &sealed).unwrap();

        assert_eq!((opened.token.expose(), opened.at), ("xoxp-secret", stored("").at));
        assert!(!sealed.windows(6).any(|window| window == b"secret"));
        assert_eq!(vault.open(&user("U2"), &sealed).unwrap_err(), NoKeyOpens);
        assert_ne!(sealed, vault.seal(&user("U1"), &stored("xoxp-secret")).unwrap());
    }

    #[test]
    fn an_old_key_still_opens_and_the_first_one_seals() {
        let (old, new) = (VaultKey([1; 32]), VaultKey([2; 32]));
        let before = Vault::new(vec![old.clone()]).seal(&user("U1"), &stored("t")).unwrap();
        let both = Vault::new(vec![new.clone(), old]);
        assert!(both.open(&user("U1"), &before).is_ok());

        let after = both.seal(&user("U1"), &stored("t")).unwrap();

        assert!(Vault::new(vec![new]).open(&user("U1"), &after).is_ok());
    }

    #[test]
    fn damaged_tokens_do_not_open() {
        let vault = Vault::new(vec![VaultKey([1; 32])]);
        let sealed = vault.seal(&user("U1"), &stored("t")).unwrap();
        for n in 0..sealed.len() {
            let mut damaged = sealed.to_vec();
            damaged[n] ^= 1;
            assert!(vault.open(&user("U1"), &damaged).is_err());
            assert!(vault.open(&user("U1"), &sealed[..n]).is_err());
        }
    }

    #[actix::test]
    async fn a_key_is_made_once_and_never_while_tokens_exist() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vault.key");
        let store = MemoryStorage::default();
        let made = key_file(&path, &store).await.unwrap().unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(key_file(&path, &store).await.unwrap().unwrap().0, made.0);

        store.put(&Key::token(&user("U1")), Bytes::from_static(b"sealed"), None).await.unwrap();
        std::fs::remove_file(&path).unwrap();

        assert!(key_file(&path, &store).await.unwrap().is_none());
        assert!(!path.exists());
    }

    #[actix::test]
    async fn a_key_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vault.key");
        key_file(&path, &MemoryStorage::default()).await.unwrap();

        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();

        assert!(
            key_file(&path, &MemoryStorage::default()).await.unwrap_err().to_string().contains("chmod 600")
        );
    }
}
