//! Lists that mostly have one entry, and values that are mostly their default: both without a heap block of their own
//! in the usual case. An instance is kept a million times.

use std::fmt;
use std::ops::Deref;

/// A list that mostly has one entry. It is read as a slice.
#[derive(Clone)]
pub struct Few<T>(Kept<T>);

/// One entry is always kept as `One`.
#[derive(Clone)]
enum Kept<T> {
    One(T),
    Many(Box<[T]>),
}

impl<T> Few<T> {
    /// The list of what `make` makes of each entry.
    pub fn map<U>(self, mut make: impl FnMut(T) -> U) -> Few<U> {
        Few(match self.0 {
            Kept::One(one) => Kept::One(make(one)),
            Kept::Many(many) => Kept::Many(many.into_iter().map(make).collect()),
        })
    }
}

impl<T> Deref for Few<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match &self.0 {
            Kept::One(one) => std::slice::from_ref(one),
            Kept::Many(many) => many,
        }
    }
}

impl<T> Default for Few<T> {
    fn default() -> Self {
        Self(Kept::Many(Box::default()))
    }
}

impl<T> From<Vec<T>> for Few<T> {
    fn from(mut list: Vec<T>) -> Self {
        match list.len() {
            1 => Self(list.pop().map_or_else(|| Kept::Many(Box::default()), Kept::One)),
            _ => Self(Kept::Many(list.into())),
        }
    }
}

impl<T> From<Box<[T]>> for Few<T> {
    fn from(list: Box<[T]>) -> Self {
        match list.len() {
            1 => list.into_vec().into(),
            _ => Self(Kept::Many(list)),
        }
    }
}

impl<T> FromIterator<T> for Few<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        let mut items = items.into_iter();
        match (items.next(), items.next()) {
            (None, _) => Self(Kept::Many(Box::default())),
            (Some(one), None) => Self(Kept::One(one)),
            (Some(one), Some(two)) => [one, two].into_iter().chain(items).collect::<Vec<_>>().into(),
        }
    }
}

impl<'f, T> IntoIterator for &'f Few<T> {
    type Item = &'f T;
    type IntoIter = std::slice::Iter<'f, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<T: PartialEq> PartialEq for Few<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Eq> Eq for Few<T> {}

impl<T: fmt::Debug> fmt::Debug for Few<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

/// A value that is mostly its default, and then takes the room of a pointer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seldom<T>(Option<Box<T>>);

impl<T> Seldom<T> {
    /// The value, unless it is the default.
    pub fn value(&self) -> Option<&T> {
        self.0.as_deref()
    }
}

impl<T> Default for Seldom<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Default + PartialEq> Seldom<T> {
    /// Keeps `value`.
    pub(super) fn of(value: T) -> Self {
        Self((value != T::default()).then(|| Box::new(value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_the_same_however_it_was_made() {
        for length in 0..4_usize {
            let list: Vec<String> = (0..length).map(|number| number.to_string()).collect();
            let boxed: Few<String> = list.clone().into_boxed_slice().into();
            let collected: Few<String> = list.iter().cloned().collect();
            assert_eq!(&*boxed, list);
            assert_eq!(boxed, collected);
            assert_eq!(boxed, Few::from(list));
            assert_eq!(matches!(boxed.0, Kept::One(_)), length == 1);
        }
    }

    #[test]
    fn a_default_takes_no_block() {
        assert_eq!(Seldom::of(0_u8).value(), None);
        assert_eq!(Seldom::of(1_u8).value(), Some(&1));
    }
}
