//! The key that signs id tokens, made at its first use.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use haina_types::{Error, Result};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::sync::OnceCell;

use crate::App;

/// A public key as applications read it (RFC 7517).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jwk {
    /// Names it.
    pub kid: String,
    /// The modulus, base64url.
    pub n: String,
    /// The exponent, base64url.
    pub e: String,
}

/// The key, once it was read or made.
#[derive(Default)]
pub(super) struct Keys(OnceCell<Signer>);

struct Signer {
    pair: KeyPair,
    jwk: Jwk,
}

impl Signer {
    fn read(der: &[u8]) -> Result<Self> {
        let pair = KeyPair::from_pkcs8(der)
            .map_err(|e| Error::internal(format!("the meta row oauth.signing is not a key: {e}")))?;
        let public = pair.public_key();
        let text = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        let n = text(public.modulus().big_endian_without_leading_zero());
        let e = text(public.exponent().big_endian_without_leading_zero());
        // RFC 7638: the thumbprint of the key is its name.
        let kid = text(&Sha256::digest(format!("{{\"e\":\"{e}\",\"kty\":\"RSA\",\"n\":\"{n}\"}}")));
        Ok(Self { pair, jwk: Jwk { kid, n, e } })
    }
}

impl App {
    async fn signer(&self) -> Result<&Signer> {
        self.oauth().keys.0.get_or_try_init(|| self.load_signer()).await
    }

    async fn load_signer(&self) -> Result<Signer> {
        let kept = {
            let mut s = self.db().read().await?;
            self.vault().find_kept(&mut s, "oauth.signing").await?
        };
        if let Some(der) = kept {
            return Signer::read(&der);
        }
        let made = tokio::task::spawn_blocking(|| {
            let pair = KeyPair::generate(KeySize::Rsa2048).map_err(|e| Error::internal(e.to_string()))?;
            let der = AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(&pair);
            Ok::<_, Error>(der.map_err(|e| Error::internal(e.to_string()))?.as_ref().to_vec())
        });
        let made = made.await.map_err(Error::internal)??;
        let mut tx = self.db().begin().await?;
        // Replicas that start together agree on the first.
        let der = self.vault().keep(&mut tx, "oauth.signing", &made).await?;
        tx.commit().await?;
        Signer::read(&der)
    }

    /// The public keys that id tokens are checked with.
    pub async fn jwks(&self) -> Result<Vec<Jwk>> {
        Ok(vec![self.signer().await?.jwk.clone()])
    }

    /// Signs claims: a JWT by RS256, which every client of OpenID Connect knows.
    pub(super) async fn sign_jwt(&self, claims: &Value) -> Result<String> {
        let signer = self.signer().await?;
        let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let head = json!({"alg": "RS256", "typ": "JWT", "kid": signer.jwk.kid});
        let text = format!("{}.{}", part(&head), part(claims));
        let mut signature = vec![0; signer.pair.public_modulus_len()];
        signer
            .pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature)
            .map_err(|e| Error::internal(e.to_string()))?;
        Ok(format!("{text}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature)))
    }
}
