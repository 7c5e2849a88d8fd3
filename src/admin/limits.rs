//! How much one client may take, in bytes; how long, the servers decide.

/// A request's first line and headers.
pub(super) const MAX_HEAD: usize = 8 * 1024;
/// Headers of a request.
pub(super) const MAX_HEADERS: usize = 64;
/// A request's body: the console needs none but for the parameters of a form.
pub(super) const MAX_BODY: usize = 1024;
/// Input that a connection holds at most: one request.
pub(super) const MAX_INPUT: usize = MAX_HEAD + MAX_BODY;
/// Output that a connection holds at most, before it is sent.
pub(super) const OUT: usize = 16 * 1024;
