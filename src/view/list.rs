//! Which of a service's records stand behind a name: a row of numbers that follow each other, or a list of them.

use std::fmt;

/// Whether a selection has an answerable instance, and if not, whether it has one for `on_empty: all`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// It has; the rows are of those.
    Answerable,
    /// It has none; the rows are of those that are not draining.
    FailOpen,
    /// Neither.
    #[default]
    Empty,
}

/// Of a row's first word: its numbers follow each other, and this is the first. Otherwise where its list begins.
const IN_A_ROW: u32 = 1 << 31;

/// Some numbers of records or of members.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Row {
    start: u32,
    len: u32,
}

/// The numbers of a row.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Numbers<'a> {
    /// So many from the first on.
    From(u32, u32),
    /// These.
    Of(&'a [u32]),
}

impl fmt::Debug for Numbers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a> Numbers<'a> {
    /// How many.
    #[inline]
    pub fn len(self) -> usize {
        match self {
            Self::From(_, len) => len as usize,
            Self::Of(list) => list.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The number at a place.
    #[inline]
    pub fn at(self, place: usize) -> u32 {
        match self {
            Self::From(first, _) => first + place as u32,
            Self::Of(list) => list[place],
        }
    }

    /// Each of them.
    pub fn iter(self) -> impl Iterator<Item = u32> + 'a {
        (0..self.len()).map(move |place| self.at(place))
    }
}

impl Row {
    /// Numbers that follow each other.
    pub(super) fn from(first: u32, len: usize) -> Self {
        Self {
            start: if len == 0 { 0 } else { first | IN_A_ROW },
            len: len as u32,
        }
    }

    /// A list that stands at `start` among the lists.
    pub(super) fn listed(start: usize, len: usize) -> Self {
        Self {
            start: start as u32,
            len: len as u32,
        }
    }

    /// How many numbers.
    pub fn len(self) -> usize {
        self.len as usize
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.len == 0
    }

    #[inline]
    pub(super) fn of(self, lists: &[u32]) -> Numbers<'_> {
        if self.start & IN_A_ROW != 0 {
            Numbers::From(self.start & !IN_A_ROW, self.len)
        } else {
            Numbers::Of(&lists[self.start as usize..][..self.len as usize])
        }
    }

    pub(super) fn pack(self) -> [u32; 2] {
        [self.start, self.len]
    }

    pub(super) fn unpack(words: &[u32]) -> Self {
        Self {
            start: words[0],
            len: words[1],
        }
    }
}

/// Of the length: some weights differ. A list of the weights follows the holders.
const WEIGHTED: u32 = 1 << 31;
/// Of the length: a member shares an address with another. The addresses of each member follow.
const SHARED: u32 = 1 << 30;

/// The addresses of one family behind a name: those of its lowest tier.
///
/// In a list, as many members follow the numbers: the first on the ring that has each. Then follow their summed weights
/// if its kind says `WEIGHTED`, and if `SHARED` how many pairs of address and member there are, and those in the same way. In a
/// row each is of the member that it stands at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Addresses(Row);

/// Addresses to choose from.
#[derive(Clone, Copy, Debug)]
pub struct AddressList<'a> {
    /// Numbers of addresses.
    pub numbers: Numbers<'a>,
    /// Whose each is; nothing if each is of the member that it stands at.
    pub members: Option<&'a [u32]>,
    /// What each weighs.
    pub weights: Weights<'a>,
}

/// What addresses weigh.
#[derive(Clone, Copy, Debug)]
pub enum Weights<'a> {
    /// All the same.
    Equal,
    /// What their members weigh.
    OfMembers,
    /// These.
    Of(&'a [u32]),
}

impl Addresses {
    pub(super) fn row(first: u32, len: usize, weighted: bool) -> Self {
        let mut row = Row::from(first, len);
        row.len |= if weighted { WEIGHTED } else { 0 };
        Self(row)
    }

    pub(super) fn listed(start: usize, len: usize, weighted: bool, shared: bool) -> Self {
        let mut row = Row::listed(start, len);
        row.len |= if weighted { WEIGHTED } else { 0 } | if shared { SHARED } else { 0 };
        Self(row)
    }

    fn plain(self) -> Row {
        Row {
            len: self.0.len & !(WEIGHTED | SHARED),
            ..self.0
        }
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.0.len == 0
    }

    #[inline]
    pub(super) fn each_once(self, lists: &[u32]) -> AddressList<'_> {
        let row = self.plain();
        let weighted = self.0.len & WEIGHTED != 0;
        match row.of(lists) {
            numbers @ Numbers::From(..) => AddressList {
                numbers,
                members: None,
                weights: if weighted {
                    Weights::OfMembers
                } else {
                    Weights::Equal
                },
            },
            numbers => {
                let rest = &lists[row.start as usize + row.len()..];
                let (members, rest) = rest.split_at(row.len());
                let weights = if weighted {
                    Weights::Of(&rest[..row.len()])
                } else {
                    Weights::Equal
                };
                AddressList {
                    numbers,
                    members: Some(members),
                    weights,
                }
            }
        }
    }

    pub(super) fn by_member(self, lists: &[u32]) -> Option<AddressList<'_>> {
        if self.0.len & SHARED == 0 {
            return None;
        }
        let parts = if self.0.len & WEIGHTED == 0 { 2 } else { 3 };
        let row = self.plain();
        let (len, pairs) = lists[row.start as usize + parts * row.len()..].split_first()?;
        let (numbers, members) = pairs[..2 * *len as usize].split_at(*len as usize);
        Some(AddressList {
            numbers: Numbers::Of(numbers),
            members: Some(members),
            weights: Weights::OfMembers,
        })
    }

    pub(super) fn pack(self) -> [u32; 2] {
        self.0.pack()
    }

    pub(super) fn unpack(words: &[u32]) -> Self {
        Self(Row::unpack(words))
    }
}

const STANDING_BITS: u32 = 30;

/// The SRV records behind a name: numbers of ports, in the order of tier, ring and port, and whose they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Services(Row);

impl Default for Services {
    fn default() -> Self {
        Self::new(Standing::Empty, Row::default())
    }
}

impl Services {
    pub(super) fn new(standing: Standing, mut row: Row) -> Self {
        row.len |= (standing as u32) << STANDING_BITS;
        Self(row)
    }

    /// Whose they are.
    #[inline]
    pub fn standing(self) -> Standing {
        match self.0.len >> STANDING_BITS {
            0 => Standing::Answerable,
            1 => Standing::FailOpen,
            _ => Standing::Empty,
        }
    }

    /// Numbers of ports.
    #[inline]
    pub fn row(self) -> Row {
        Row {
            len: self.0.len & ((1 << STANDING_BITS) - 1),
            ..self.0
        }
    }

    pub(super) fn pack(self) -> [u32; 2] {
        self.0.pack()
    }

    pub(super) fn unpack(words: &[u32]) -> Self {
        Self(Row::unpack(words))
    }
}

/// What stands behind the service's own name or a tag's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// A records.
    pub v4: Addresses,
    /// AAAA records.
    pub v6: Addresses,
    /// SRV records; its standing is that of all three.
    pub services: Services,
}
