//! Who keeps what alone: pool, kind of scope, scope, tag (or else site), and each slab under the deepest of these under
//! which all its handles lie.
//!
//! As in the dominator tree of a heap: if a node went, all it retains would be free.

use std::collections::HashMap;

use super::model::{Holder, PinReport, PinnedSlab, PinnedSlice};
use crate::track::{ScopeName, Tag};

impl PinReport {
    /// The holders as a tree in which each says what it keeps alive alone.
    ///
    /// The root is the pool ([`Holder::Everyone`]). Below it come the kinds of scopes, then single scopes, then tags, or
    /// sites where there is no tag. Slices without a scope come under [`Holder::Unscoped`], handles that are not listed
    /// under [`Holder::Untracked`] and [`Holder::InMotion`].
    ///
    /// ```
    /// use bufslab::report::Holder;
    ///
    /// let pool = bufslab::SlabPool::builder().slab_size(4096).build()?;
    /// let kept: Vec<_> = (0..3).map(|_| {
    ///     let mut read = pool.alloc(4096);
    ///     read.extend_from_slice(&[0; 4096]);
    ///     read.freeze().slice(..20).tag("req.head")
    /// }).collect();
    /// let tree = pool.report().retained_tree();
    /// let head = tree.find(&[Holder::Unscoped, Holder::Tag("req.head".into())]).unwrap();
    /// assert_eq!(head.retained_bytes, 3 * 4096, "req.head alone keeps 12 KiB");
    /// # drop(kept);
    /// # Ok::<(), bufslab::BuildError>(())
    /// ```
    #[must_use]
    pub fn retained_tree(&self) -> Retained {
        let mut nodes = Nodes::new();
        for (at, slab) in self.slabs.iter().enumerate() {
            let node = nodes.above_all(slab);
            nodes.list[node].own_bytes = nodes.list[node].own_bytes.saturating_add(slab.size);
            nodes.list[node].own.push(at);
        }
        nodes.into_tree()
    }
}

/// A holder and what it keeps alive alone: a node of [`PinReport::retained_tree`].
///
/// ```text
/// retained_bytes       = own_bytes + the sum of children[].retained_bytes
/// root.retained_bytes  = totals.pinned_bytes
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Retained {
    /// Whom this is about. Within its parent: the same tag under two scopes is two nodes.
    pub holder: Holder,
    /// The sizes of all slabs of which every handle lies under this node.
    pub retained_bytes: usize,
    /// How many slabs those are.
    pub retained_slabs: usize,
    /// The part of them that no single child retains: handles of several children keep it.
    pub own_bytes: usize,
    /// Those slabs, as indices of [`PinReport::slabs`](super::PinReport).
    pub own: Vec<usize>,
    /// Handles under this node.
    pub handles: usize,
    /// Those who hold slices under this node, the one that retains most first.
    pub children: Vec<Retained>,
}

impl Retained {
    /// The node that `path` leads to from here, if it exists.
    #[must_use]
    pub fn find(&self, path: &[Holder]) -> Option<&Retained> {
        path.iter().try_fold(self, |node, holder| node.children.iter().find(|child| child.holder == *holder))
    }
}

struct Node {
    holder: Holder,
    parent: usize,
    depth: usize,
    handles: usize,
    own_bytes: usize,
    own: Vec<usize>,
}

/// The tree while it grows. A parent always stands before its children.
struct Nodes {
    list: Vec<Node>,
    known: HashMap<(usize, Holder), usize>,
    /// Where slices of one key belong: one look-up for most of them.
    paths: HashMap<Key, usize>,
    /// The key looked up last: neighbours are often alike.
    last: Option<(Key, usize)>,
}

/// What the path of a slice depends on. Sites by their address: several may lead to one node.
type Key = (Option<ScopeName>, Option<Tag>, Option<usize>);

const ROOT: usize = 0;

impl Nodes {
    fn new() -> Nodes {
        let mut nodes = Nodes { list: Vec::new(), known: HashMap::new(), paths: HashMap::new(), last: None };
        nodes.add(ROOT, 0, Holder::Everyone);
        nodes
    }

    fn add(&mut self, parent: usize, depth: usize, holder: Holder) -> usize {
        self.list.push(Node { holder, parent, depth, handles: 0, own_bytes: 0, own: Vec::new() });
        self.list.len() - 1
    }

    fn child(&mut self, parent: usize, holder: Holder) -> usize {
        if let Some(&node) = self.known.get(&(parent, holder)) {
            return node;
        }
        let node = self.add(parent, self.list[parent].depth + 1, holder);
        self.known.insert((parent, holder), node);
        node
    }

    fn of_slice(&mut self, slice: &PinnedSlice) -> usize {
        let site = slice.site.filter(|_| slice.tag.is_none());
        let key = (slice.scope, slice.tag, site.map(|site| site.address()));
        if let Some((_, node)) = self.last.filter(|(last, _)| *last == key) {
            return node;
        }
        let node = match self.paths.get(&key) {
            Some(&node) => node,
            None => {
                let node = self.by_path(slice);
                self.paths.insert(key, node);
                node
            }
        };
        self.last = Some((key, node));
        node
    }

    fn by_path(&mut self, slice: &PinnedSlice) -> usize {
        let owner = match slice.scope {
            Some(scope) => {
                let kind = self.child(ROOT, Holder::ScopeKind(scope.kind()));
                self.child(kind, Holder::Scope(scope))
            }
            None => self.child(ROOT, Holder::Unscoped),
        };
        let name = slice.tag.map_or_else(|| slice.site.map_or(Holder::NoSite, Holder::Site), Holder::Tag);
        self.child(owner, name)
    }

    /// The deepest node under which all handles of `slab` lie. Counts them.
    fn above_all(&mut self, slab: &PinnedSlab) -> usize {
        let mut common = None;
        for slice in &slab.slices {
            let node = self.of_slice(slice);
            self.join(&mut common, node, 1);
        }
        for (handles, holder) in [(slab.untracked, Holder::Untracked), (slab.unseen(), Holder::InMotion)] {
            if handles > 0 {
                let node = self.child(ROOT, holder);
                self.join(&mut common, node, handles);
            }
        }
        common.unwrap_or(ROOT)
    }

    fn join(&mut self, common: &mut Option<usize>, node: usize, handles: usize) {
        let sum = &mut self.list[node].handles;
        *sum = sum.saturating_add(handles);
        *common = Some(common.map_or(node, |other| self.meet(other, node)));
    }

    fn meet(&self, mut a: usize, mut b: usize) -> usize {
        while a != b {
            if self.list[a].depth < self.list[b].depth {
                core::mem::swap(&mut a, &mut b);
            }
            a = self.list[a].parent;
        }
        a
    }

    fn into_tree(self) -> Retained {
        let parents: Vec<usize> = self.list.iter().map(|node| node.parent).collect();
        let mut trees: Vec<Option<Retained>> = self
            .list
            .into_iter()
            .map(|node| {
                Some(Retained {
                    holder: node.holder,
                    retained_bytes: node.own_bytes,
                    retained_slabs: node.own.len(),
                    own_bytes: node.own_bytes,
                    own: node.own,
                    handles: node.handles,
                    children: Vec::new(),
                })
            })
            .collect();
        // Children come after their parents, so that from the end on each is complete when it is moved.
        for at in (1..trees.len()).rev() {
            let Some(mut child) = trees[at].take() else { continue };
            child.sort();
            if let Some(parent) = &mut trees[parents[at]] {
                parent.retained_bytes = parent.retained_bytes.saturating_add(child.retained_bytes);
                parent.retained_slabs += child.retained_slabs;
                parent.handles = parent.handles.saturating_add(child.handles);
                parent.children.push(child);
            }
        }
        let mut root = trees.swap_remove(ROOT).unwrap_or_else(|| unreachable!("the root has no parent to move to"));
        root.sort();
        root
    }
}

impl Retained {
    fn sort(&mut self) {
        self.children.sort_by(|a, b| {
            let figures = |node: &Retained| (node.retained_bytes, node.handles);
            figures(b).cmp(&figures(a)).then_with(|| order(&a.holder).cmp(&order(&b.holder)))
        });
    }
}

/// An order by name, so that no figure depends on the order in which slabs were seen.
fn order(holder: &Holder) -> (u8, &'static str, u64, u64) {
    match holder {
        Holder::ScopeKind(tag) | Holder::Tag(tag) => (0, tag.name(), 0, 0),
        Holder::Scope(scope) => (0, scope.kind().name(), scope.id(), 0),
        Holder::Site(site) => (1, site.file(), u64::from(site.line()), u64::from(site.column())),
        Holder::Thread(thread) => (2, "", u64::from(*thread), 0),
        Holder::Untagged | Holder::Unscoped | Holder::NoSite => (3, "", 0, 0),
        Holder::Untracked => (4, "", 0, 0),
        Holder::InMotion => (5, "", 0, 0),
        Holder::Everyone => (6, "", 0, 0),
    }
}
