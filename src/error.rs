//! Floor 1: what can go wrong, with the numbers that matter.

use core::fmt;
use std::borrow::Cow;
use std::sync::Arc;

/// Why a pool could not hand out memory.
///
/// Nothing is lost when this is returned: the pool works on, and the same request may succeed once slices are dropped.
///
/// ```
/// let pool = bufslab::SlabPool::builder().slab_size(4096).max_bytes(8192).build()?;
/// let error = pool.try_alloc(100_000).unwrap_err();
/// assert!(error.is_limit());
/// assert_eq!(error.requested(), 100_000);
/// assert_eq!(error.limit(), Some(8192));
/// # Ok::<(), bufslab::BuildError>(())
/// ```
///
/// At the pool's limit it says who holds the memory:
///
/// ```
/// let pool = bufslab::SlabPool::builder().slab_size(4096).max_bytes(4096).build()?;
/// let mut read = pool.alloc(4096);
/// read.extend_from_slice(&[0; 4096]);
/// let cached = read.freeze().tag("cache.value");
///
/// let error = pool.try_alloc(1).unwrap_err();
/// let most = &error.holders()[0];
/// assert_eq!((most.tag(), most.slices(), most.bytes()), (Some("cache.value"), 1, 4096));
/// assert!(error.to_string().ends_with("; held by cache.value 1 slice 4 KiB"));
/// # drop(cached);
/// # Ok::<(), bufslab::BuildError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct AllocError {
    requested: usize,
    cause: Cause,
    /// Who holds the memory, the largest first, where that is known.
    holders: Option<Arc<[TagShare]>>,
}

/// What the slices with one tag hold, as an [`AllocError`] says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagShare {
    tag: Option<&'static str>,
    slices: usize,
    bytes: usize,
}

impl TagShare {
    pub(crate) fn new(tag: Option<&'static str>, slices: usize, bytes: usize) -> Self {
        TagShare { tag, slices, bytes }
    }

    /// The tag's name; `None` for slices without one.
    #[must_use]
    pub fn tag(&self) -> Option<&'static str> {
        self.tag
    }

    /// How many slices those are.
    #[must_use]
    pub fn slices(&self) -> usize {
        self.slices
    }

    /// Live bytes: those that at least one of the slices covers.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

/// `req.head 1,234 slices 12 MiB`
impl fmt::Display for TagShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.slices == 1 { "" } else { "s" };
        // Whatever the name holds, the message stays one line.
        let tag = self.tag.unwrap_or("(no tag)").escape_debug();
        write!(f, "{tag} {} slice{plural} {}", grouped(self.slices), rounded(self.bytes))
    }
}

/// `1,234`
pub(crate) fn grouped(n: usize) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `512 B`, `12 MiB`, `1.5 GiB`: one decimal where it is not a whole number of units.
pub(crate) fn rounded(n: usize) -> String {
    const UNITS: [(u32, &str); 4] = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
    let n = n as u128;
    for (bits, unit) in UNITS {
        let one = 1u128 << bits;
        if n >= one {
            let tenths = (n * 10 + one / 2) / one;
            return match n % one {
                0 => format!("{} {unit}", n / one),
                _ => format!("{}.{} {unit}", tenths / 10, tenths % 10),
            };
        }
    }
    format!("{n} B")
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Cause {
    /// No address space can hold it.
    TooLarge,
    /// `max_bytes` would be exceeded.
    Limit { limit: usize, in_use: usize, slab: usize },
    /// Others wait for memory of a pool at its `max_bytes`, and were first.
    Behind { limit: usize, in_use: usize, waiting: u32 },
    /// A scope has more than its quota.
    Quota { scope: Arc<str>, quota: usize, held: usize },
    /// The source of slab memory refused.
    Source { slab: usize },
    /// There is no memory to list a slice that exists already.
    Unlisted,
    /// The pool was closed.
    Closed,
}

impl AllocError {
    fn because(requested: usize, cause: Cause) -> Self {
        AllocError { requested, cause, holders: None }
    }

    pub(crate) fn behind(requested: usize, waiting: u32, limit: usize, in_use: usize) -> Self {
        AllocError::because(requested, Cause::Behind { limit, in_use, waiting })
    }

    pub(crate) fn over_quota(requested: usize, scope: Arc<str>, quota: usize, held: usize) -> Self {
        AllocError::because(requested, Cause::Quota { scope, quota, held })
    }

    /// The same, and who holds the memory.
    pub(crate) fn held_by(self, holders: Option<Arc<[TagShare]>>) -> Self {
        AllocError { holders, ..self }
    }

    pub(crate) fn too_large(requested: usize) -> Self {
        AllocError::because(requested, Cause::TooLarge)
    }

    pub(crate) fn over_limit(requested: usize, slab: usize, limit: usize, in_use: usize) -> Self {
        AllocError::because(requested, Cause::Limit { limit, in_use, slab })
    }

    pub(crate) fn source(requested: usize, slab: usize) -> Self {
        AllocError::because(requested, Cause::Source { slab })
    }

    pub(crate) fn unlisted(len: usize) -> Self {
        AllocError::because(len, Cause::Unlisted)
    }

    pub(crate) fn closed(requested: usize) -> Self {
        AllocError::because(requested, Cause::Closed)
    }

    /// The same failure, told of a request for `requested` bytes.
    pub(crate) fn of_request(self, requested: usize) -> Self {
        AllocError { requested, ..self }
    }

    /// Bytes that were asked for.
    #[must_use]
    pub fn requested(&self) -> usize {
        self.requested
    }

    /// The limit that stood in the way, in bytes: `max_bytes` of the pool, the quota of the scope, or `isize::MAX` for a
    /// request that no address space can hold. `None` when the memory's source refused or the
    /// pool is closed.
    #[must_use]
    pub fn limit(&self) -> Option<usize> {
        match self.cause {
            Cause::TooLarge => Some(isize::MAX as usize),
            Cause::Limit { limit, .. } | Cause::Behind { limit, .. } | Cause::Quota { quota: limit, .. } => Some(limit),
            Cause::Source { .. } | Cause::Unlisted | Cause::Closed => None,
        }
    }

    /// Whether the pool's `max_bytes` stood in the way, or others who wait for room under it.
    #[must_use]
    pub fn is_limit(&self) -> bool {
        matches!(self.cause, Cause::Limit { .. } | Cause::Behind { .. })
    }

    /// Whether the quota of a scope stood in the way; see [`SlabPool::set_scope_quota`](crate::SlabPool::set_scope_quota).
    #[must_use]
    pub fn is_quota(&self) -> bool {
        matches!(self.cause, Cause::Quota { .. })
    }

    /// The scope whose quota stood in the way, as a report calls it: `conn 42`.
    #[must_use]
    pub fn scope(&self) -> Option<&str> {
        match &self.cause {
            Cause::Quota { scope, .. } => Some(scope),
            _ => None,
        }
    }

    /// Bytes that stood in the way: slab memory in use at the pool's limit, live bytes of the scope at its quota (when
    /// quotas were last enforced).
    #[must_use]
    pub fn held(&self) -> Option<usize> {
        match self.cause {
            Cause::Limit { in_use, .. } | Cause::Behind { in_use, .. } => Some(in_use),
            Cause::Quota { held, .. } => Some(held),
            Cause::TooLarge | Cause::Source { .. } | Cause::Unlisted | Cause::Closed => None,
        }
    }

    /// Who holds the memory of a pool at its `max_bytes`: the tags with the most live bytes, at most three, the largest
    /// first. Empty for other errors, when nothing is listed, and while another thread looks for the first time.
    ///
    /// Looking goes through all slices of the pool, so it is done for one error in 100 ms at most, and seldom enough to take
    /// no more than about a twentieth of one thread; the others tell what was seen then.
    #[must_use]
    pub fn holders(&self) -> &[TagShare] {
        self.holders.as_deref().unwrap_or_default()
    }

    /// Whether the request is larger than any allocation can be (`isize::MAX` bytes).
    #[must_use]
    pub fn is_too_large(&self) -> bool {
        matches!(self.cause, Cause::TooLarge)
    }

    /// Whether the source of slab memory had none, or the allocator none for what lists a slice.
    #[must_use]
    pub fn is_out_of_memory(&self) -> bool {
        matches!(self.cause, Cause::Source { .. } | Cause::Unlisted)
    }

    /// Whether the pool was [closed](crate::SlabPool::close).
    #[must_use]
    pub fn is_closed(&self) -> bool {
        matches!(self.cause, Cause::Closed)
    }
}

impl fmt::Debug for AllocError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AllocError({self})")
    }
}

impl fmt::Display for AllocError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let requested = self.requested;
        match &self.cause {
            Cause::TooLarge => {
                write!(f, "cannot allocate {requested} bytes: more than isize::MAX ({}) bytes", isize::MAX)
            }
            Cause::Limit { limit, in_use, slab } => write!(
                f,
                "cannot allocate {requested} bytes: the slab for it ({slab} bytes) and the {in_use} bytes in use would \
                 exceed the pool's max_bytes of {limit}"
            ),
            Cause::Behind { limit, in_use, waiting } => write!(
                f,
                "cannot allocate {requested} bytes: {waiting} other requests wait for memory, and {in_use} of the pool's \
                 max_bytes of {limit} are in use"
            ),
            Cause::Quota { scope, quota, held } => write!(
                f,
                "cannot allocate {requested} bytes: {} holds {held} bytes, more than its quota of {quota}",
                scope.escape_debug()
            ),
            Cause::Source { slab } => {
                write!(f, "cannot allocate {requested} bytes: the memory source has none for a slab of {slab} bytes")
            }
            Cause::Unlisted => write!(f, "cannot list a slice of {requested} bytes: there is no memory for its entry"),
            Cause::Closed => write!(f, "cannot allocate {requested} bytes: the pool is closed"),
        }?;
        for (i, holder) in self.holders().iter().enumerate() {
            write!(f, "{}{holder}", if i == 0 { "; held by " } else { ", " })?;
        }
        Ok(())
    }
}

impl std::error::Error for AllocError {}

/// Why a pool's configuration was refused: which field or variable, its value, and what is allowed.
///
/// ```
/// let error = bufslab::SlabPool::builder().slab_size(0).build().unwrap_err();
/// assert_eq!(error.field(), "slab_size");
/// assert_eq!(error.to_string(), "slab_size is 0: it must be from 1 B to 1 GiB");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct BuildError {
    field: Cow<'static, str>,
    value: String,
    allowed: String,
}

impl BuildError {
    pub(crate) fn new(
        field: impl Into<Cow<'static, str>>,
        value: impl Into<String>,
        allowed: impl Into<String>,
    ) -> Self {
        BuildError { field: field.into(), value: value.into(), allowed: allowed.into() }
    }

    /// The builder's method, the key of a configuration file or the environment variable whose value was refused.
    #[must_use]
    pub fn field(&self) -> &str {
        &self.field
    }

    /// The value that was refused, as it was given.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    /// What is allowed, with units, as it stands behind "it must be".
    #[must_use]
    pub fn allowed(&self) -> &str {
        &self.allowed
    }
}

impl fmt::Debug for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BuildError({self})")
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}: it must be {}", self.field, self.value, self.allowed)
    }
}

impl std::error::Error for BuildError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_read_as_people_write() {
        let share = |slices, bytes| TagShare::new(Some("req\n"), slices, bytes).to_string();
        assert_eq!(share(1234, 12 << 20), "req\\n 1,234 slices 12 MiB");
        assert_eq!(share(1, 20), "req\\n 1 slice 20 B");
        assert_eq!(share(1_000_000, 1536), "req\\n 1,000,000 slices 1.5 KiB");
        assert_eq!(TagShare::new(None, 0, 0).to_string(), "(no tag) 0 slices 0 B");
    }
}
