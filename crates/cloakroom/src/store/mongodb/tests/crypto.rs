//! Encrypted texts that were tampered with. No server needed.

use proptest::prelude::*;

use crate::store::StoreErrorKind;
use crate::store::mongodb::encryption::encryptor::Encryptor;
use crate::store::mongodb::{Algorithm, Encoding, Encryption, Hashing, Kruptein, WebCrypto};

fn authenticated() -> [Encryption; 4] {
    let kruptein = || Kruptein::new("squirrel").encoding(Encoding::Hex);
    let webcrypto = WebCrypto::new("squirrel").encoding(Encoding::Hex);
    [
        kruptein().into(),
        kruptein().hashing(Hashing::Sha384).into(),
        kruptein().algorithm(Algorithm::AesCbc).into(),
        webcrypto.iterations(10).into(),
    ]
}

/// Changes each digit of the ciphertext. Kruptein's MAC does not cover the IV, so that with AES-CBC the first
/// block has no protection: that is its format.
#[tokio::test]
async fn tampered_text_does_not_decrypt() {
    for encryption in authenticated() {
        let sealer = Encryptor::new(&encryption).unwrap();
        let text = r#"{"cookie":{"path":"/"},"userId":"ada"}"#;
        let good = sealer.seal(text).await.unwrap();
        assert_eq!(sealer.open(&good).await.ok().as_deref(), Some(text));
        for at in 24..48 {
            let error = sealer.open(&changed(&good, at)).await.unwrap_err();
            assert_eq!(error.kind(), StoreErrorKind::Corrupt, "{encryption:?}");
        }
    }
}

/// With AES-CBC, nothing else would detect a change.
#[tokio::test]
async fn kruptein_texts_have_a_mac() {
    let kruptein = Kruptein::new("squirrel").encoding(Encoding::Hex);
    let sealer = Encryptor::new(&kruptein.algorithm(Algorithm::AesCbc).into()).unwrap();
    let good = sealer.seal("{}").await.unwrap();
    // The IV and the salt follow, 16 and 128 bytes, each with its tag and length.
    let last_of_mac = good.len() - 2 * (2 + 16 + 3 + 128) - 1;
    let error = sealer.open(&changed(&good, last_of_mac)).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Corrupt);
}

/// Changes the digit in that place, such that what was hexadecimal twice still is.
fn changed(text: &str, at: usize) -> String {
    let digit = if &text[at..=at] == "1" { "2" } else { "1" };
    [&text[..at], digit, &text[at + 1..]].concat()
}

#[tokio::test]
async fn same_text_is_never_encrypted_alike_twice() {
    for encryption in authenticated() {
        let sealer = Encryptor::new(&encryption).unwrap();
        let (one, other) = (
            sealer.seal("{}").await.unwrap(),
            sealer.seal("{}").await.unwrap(),
        );
        assert_ne!(one, other);
    }
}

proptest! {
    #[test]
    fn no_text_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300), der in any::<bool>()) {
        let sealed = if der { [&[0x30, 0x82, 1, 20][..], &bytes].concat() } else { bytes };
        let sealed = Encoding::Base64.encode(&sealed);
        let kruptein = Kruptein::new("squirrel");
        if let Ok(parts) = kruptein.parts(&sealed) {
            prop_assert!(kruptein.open(&[0; 32], &parts).is_err());
        }
        let webcrypto = WebCrypto::new("squirrel").algorithm(Algorithm::AesCbc);
        let _ = webcrypto.open(&[0; 32], &sealed);
    }
}
