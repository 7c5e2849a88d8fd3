//! Floor 1: what can go wrong, with the numbers that matter.

use core::fmt;

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
#[derive(Clone, PartialEq, Eq)]
pub struct AllocError {
    requested: usize,
    cause: Cause,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Cause {
    /// No address space can hold it.
    TooLarge,
    /// `max_bytes` would be exceeded.
    Limit { limit: usize, in_use: usize, slab: usize },
    /// The source of slab memory refused.
    Source { slab: usize },
    /// There is no memory to list a slice that exists already.
    Unlisted,
    /// The pool was closed.
    Closed,
}

impl AllocError {
    pub(crate) fn too_large(requested: usize) -> Self {
        AllocError { requested, cause: Cause::TooLarge }
    }

    pub(crate) fn over_limit(requested: usize, slab: usize, limit: usize, in_use: usize) -> Self {
        AllocError { requested, cause: Cause::Limit { limit, in_use, slab } }
    }

    pub(crate) fn source(requested: usize, slab: usize) -> Self {
        AllocError { requested, cause: Cause::Source { slab } }
    }

    pub(crate) fn unlisted(len: usize) -> Self {
        AllocError { requested: len, cause: Cause::Unlisted }
    }

    pub(crate) fn closed(requested: usize) -> Self {
        AllocError { requested, cause: Cause::Closed }
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

    /// The limit that stood in the way, in bytes: `max_bytes` of the pool, or `isize::MAX` for a request that no
    /// address space can hold. `None` when the memory's source refused or the
    /// pool is closed.
    #[must_use]
    pub fn limit(&self) -> Option<usize> {
        match self.cause {
            Cause::TooLarge => Some(isize::MAX as usize),
            Cause::Limit { limit, .. } => Some(limit),
            Cause::Source { .. } | Cause::Unlisted | Cause::Closed => None,
        }
    }

    /// Whether the pool's `max_bytes` stood in the way.
    #[must_use]
    pub fn is_limit(&self) -> bool {
        matches!(self.cause, Cause::Limit { .. })
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
        match self.cause {
            Cause::TooLarge => {
                write!(f, "cannot allocate {requested} bytes: more than isize::MAX ({}) bytes", isize::MAX)
            }
            Cause::Limit { limit, in_use, slab } => write!(
                f,
                "cannot allocate {requested} bytes: the slab for it ({slab} bytes) and the {in_use} bytes in use would \
                 exceed the pool's max_bytes of {limit}"
            ),
            Cause::Source { slab } => {
                write!(f, "cannot allocate {requested} bytes: the memory source has none for a slab of {slab} bytes")
            }
            Cause::Unlisted => write!(f, "cannot list a slice of {requested} bytes: there is no memory for its entry"),
            Cause::Closed => write!(f, "cannot allocate {requested} bytes: the pool is closed"),
        }
    }
}

impl std::error::Error for AllocError {}

/// Why a pool's configuration was refused: which field or variable, its value, and what is allowed.
///
/// ```
/// let error = bufslab::SlabPool::builder().slab_size(0).build().unwrap_err();
/// assert_eq!(error.field(), "slab_size");
/// assert_eq!(error.to_string(), "slab_size is 0: it must be from 1 to 1073741824 bytes");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct BuildError {
    field: &'static str,
    value: String,
    allowed: String,
}

impl BuildError {
    pub(crate) fn new(field: &'static str, value: impl Into<String>, allowed: impl Into<String>) -> Self {
        BuildError { field, value: value.into(), allowed: allowed.into() }
    }

    /// The builder's method or the environment variable whose value was refused.
    #[must_use]
    pub fn field(&self) -> &'static str {
        self.field
    }

    /// The value that was refused, as it was given.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
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
