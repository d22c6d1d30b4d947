//! Who signed, and by which algorithm.

use super::*;

async fn refused(jwt: &Jwt, token: &str) {
    assert_eq!(login(jwt, Some("alice"), token).await, Err(AuthError::BadLogin), "{token}");
}

fn unsigned(header: &Value, signature: &str) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{signature}", part(header), part(&alice()))
}

/// Threat I6.
#[tokio::test]
async fn a_token_without_signature_is_refused_whatever_it_calls_that() {
    for signer in [&*HMAC, &*RSA, &*EC, &*ED] {
        let jwt = trusting(signer).await;
        for name in ["none", "None", "NONE", "nOnE", ""] {
            refused(&jwt, &unsigned(&json!({ "alg": name }), "")).await;
            refused(&jwt, &unsigned(&json!({ "alg": name }), "c2ln")).await;
        }
        let own = json!({ "alg": format!("{:?}", signer.algorithm) });
        refused(&jwt, &unsigned(&own, "")).await;
        refused(&jwt, &unsigned(&own, "AAAA")).await;
    }
}

/// Threat I6.
#[tokio::test]
async fn a_public_key_is_never_taken_for_a_shared_secret() {
    for signer in [&*RSA, &*EC, &*ED] {
        let public = signer.public.as_bytes();
        for secret in [public, public.trim_ascii()] {
            let forger = Signer {
                algorithm: Algorithm::HS256,
                private: EncodingKey::from_secret(secret),
                public: String::new(),
            };
            let jwt = trusting(signer).await;
            refused(&jwt, &forger.sign(&alice())).await;
            // Even where HS256 stood among the algorithms, the key is not of its kind.
            let both = [Algorithm::HS256, signer.algorithm];
            refused(&provider(&both, Source::Fixed(signer.keys())).await, &forger.sign(&alice()))
                .await;
        }
    }
}

/// Threat I6.
#[tokio::test]
async fn each_algorithm_is_refused_where_another_one_is_configured() {
    let all = [&*HMAC, &*RSA, &*EC, &*ED];
    for trusted in all {
        let jwt = trusting(trusted).await;
        for other in all.into_iter().filter(|other| other.algorithm != trusted.algorithm) {
            refused(&jwt, &other.sign(&alice())).await;
        }
    }
    for algorithm in [Algorithm::HS384, Algorithm::HS512] {
        let header = Header::new(algorithm);
        refused(&trusting(&HMAC).await, &HMAC.sign_with(header, &alice())).await;
    }
    for algorithm in [Algorithm::RS384, Algorithm::RS512, Algorithm::PS256] {
        let header = Header::new(algorithm);
        refused(&trusting(&RSA).await, &RSA.sign_with(header, &alice())).await;
    }
}

/// Threat I6.
#[tokio::test]
async fn another_key_of_the_same_algorithm_signs_for_nobody() {
    for signer in [&*RSA, &*EC, &*ED] {
        let stranger = Signer::new(signer.algorithm);
        refused(&trusting(signer).await, &stranger.sign(&alice())).await;
    }
    let other =
        Signer { private: EncodingKey::from_secret(&[7; 32]), ..Signer::new(Algorithm::EdDSA) };
    let other = Signer { algorithm: Algorithm::HS256, ..other };
    refused(&trusting(&HMAC).await, &other.sign(&alice())).await;
}

/// Threat I6.
#[tokio::test]
async fn a_token_that_was_changed_is_refused() {
    for signer in [&*HMAC, &*RSA, &*EC, &*ED] {
        let jwt = trusting(signer).await;
        let token = signer.sign(&alice());
        let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
        parts[1] = URL_SAFE_NO_PAD.encode(alice_with(json!({ "sub": "bob" })).to_string());
        assert_eq!(login(&jwt, None, &parts.join(".")).await, Err(AuthError::BadLogin));
        refused(&jwt, &format!("{token}A")).await;
        refused(&jwt, &token[..token.len() - 2]).await;
    }
}

/// Threat I6.
#[tokio::test]
async fn the_token_does_not_bring_its_own_key() {
    let stranger = Signer::new(Algorithm::ES256);
    let jwk = Jwk::from_encoding_key(&stranger.private, Algorithm::ES256).unwrap();
    let header = Header { jwk: Some(jwk), ..Header::new(Algorithm::ES256) };
    refused(&trusting(&EC).await, &stranger.sign_with(header, &alice())).await;
    let header =
        Header { jku: Some("https://127.0.0.1:1/".into()), ..Header::new(Algorithm::ES256) };
    refused(&trusting(&EC).await, &stranger.sign_with(header, &alice())).await;
}

#[tokio::test]
async fn an_extension_that_must_be_understood_is_not() {
    let header = Header { crit: Some(vec!["b64".into()]), ..Header::new(Algorithm::ES256) };
    refused(&trusting(&EC).await, &EC.sign_with(header, &alice())).await;
}

#[test]
fn a_key_file_is_a_public_key_of_its_algorithm() {
    let wrong = |pem: &str, algorithm| Keys::pem(pem.as_bytes(), algorithm).err().unwrap();
    for (signer, other) in
        [(&*RSA, Algorithm::ES256), (&*EC, Algorithm::EdDSA), (&*ED, Algorithm::RS256)]
    {
        assert!(wrong(&signer.public, other).to_string().contains("no public key for"));
    }
    assert!(wrong("nonsense", Algorithm::RS256).to_string().contains("no public key for RS256"));
    let private = rcgen::KeyPair::generate().unwrap().serialize_pem();
    assert!(wrong(&private, Algorithm::ES256).to_string().contains("is a private key"));
    let p384 = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    assert!(wrong(&p384.public_key_pem(), Algorithm::ES256).to_string().contains("for ES256"));
}
