//! Rows of a wallet before and after its commands.

use std::collections::BTreeMap;

use flysk_domain::id::WalletId;

/// Loaded rows of one table before and after the commands of a wallet.
pub(super) struct Changed<'a, K, V> {
    pub(super) wallet: WalletId,
    /// The rows as they were loaded.
    pub(super) before: &'a BTreeMap<K, V>,
    /// The rows after the commands.
    pub(super) after: &'a BTreeMap<K, V>,
}

impl<'a, K: Ord, V: PartialEq> Changed<'a, K, V> {
    /// Rows that did not exist before, with their wallet.
    pub(super) fn fresh(&self) -> impl Iterator<Item = (WalletId, &'a V)> {
        let (wallet, before) = (self.wallet, self.before);
        let fresh = self.after.iter().filter(move |(id, _)| !before.contains_key(*id));
        fresh.map(move |(_, row)| (wallet, row))
    }

    /// Rows that changed, as they were and as they are.
    pub(super) fn altered(&self) -> impl Iterator<Item = (&'a V, &'a V)> {
        let before = self.before;
        let pairs = self.after.iter().filter_map(move |(id, row)| Some((before.get(id)?, row)));
        pairs.filter(|(old, row)| old != row)
    }
}
