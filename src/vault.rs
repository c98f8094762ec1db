//! Members' tokens, sealed with XChaCha20-Poly1305 in the store.
