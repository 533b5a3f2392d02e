//! What an app asks for at the authorization endpoint.

use cairn::api::fuzzing;

/// Laws: a request is written so that it reads the same, once and for all; an answer goes to a full address, in one line of
/// printable characters.
pub fn app_request(data: &[u8]) -> bool {
    let Ok(query) = std::str::from_utf8(data) else {
        return false;
    };
    if let Some(location) = fuzzing::app_answer(query) {
        assert!(location.to_ascii_lowercase().starts_with("http"), "{location}");
        assert!(location.bytes().all(|byte| byte.is_ascii_graphic()), "{location}");
    }
    let Some(written) = fuzzing::app_request(query) else {
        return false;
    };
    assert!(written.bytes().all(|byte| byte.is_ascii_graphic()), "{written}");
    assert_eq!(fuzzing::app_request(&written).as_ref(), Some(&written));
    true
}
