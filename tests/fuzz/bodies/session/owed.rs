//! What the server owes a client: each answer to something that was asked, once, and the answers
//! to publishes in the order of the publishes.

use std::collections::{HashMap, VecDeque};

use super::Weather;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    PubAck,
    PubRec,
    PubComp,
    SubAck,
    UnsubAck,
    Ping,
}

#[derive(Clone, Copy, Debug)]
pub struct Debt {
    /// A resend while the first one runs has no answer of its own.
    pub optional: bool,
    /// Filters asked for.
    pub filters: usize,
    /// When it was sent, if it is to be stored before it is acknowledged.
    pub stored_in: Option<Weather>,
}

#[derive(Debug, Default)]
pub struct Owed {
    debts: HashMap<(Kind, u16), VecDeque<Debt>>,
    /// PUBACKs and PUBRECs as they have to come.
    order: VecDeque<(Kind, u16, bool)>,
}

impl Owed {
    pub fn add(&mut self, kind: Kind, id: u16, debt: Debt) {
        if matches!(kind, Kind::PubAck | Kind::PubRec) {
            self.order.push_back((kind, id, debt.optional));
        }
        self.debts.entry((kind, id)).or_default().push_back(debt);
    }

    /// The debt that this answer pays.
    pub fn pay(&mut self, kind: Kind, id: u16) -> Debt {
        if matches!(kind, Kind::PubAck | Kind::PubRec) {
            self.pay_in_order(kind, id);
        }
        let debts = self.debts.get_mut(&(kind, id));
        let debt = debts.and_then(VecDeque::pop_front);
        debt.unwrap_or_else(|| panic!("{kind:?} {id} answers nothing"))
    }

    fn pay_in_order(&mut self, kind: Kind, id: u16) {
        while let Some((owed, of, optional)) = self.order.pop_front() {
            if (owed, of) == (kind, id) {
                return;
            }
            assert!(optional, "{kind:?} {id} overtakes {owed:?} {of}");
            self.debts.get_mut(&(owed, of)).and_then(VecDeque::pop_front);
        }
        panic!("{kind:?} {id} answers no publish");
    }

    /// What is still owed for certain.
    pub fn rest(&self) -> Vec<(Kind, u16)> {
        let certain = |debts: &VecDeque<Debt>| debts.iter().any(|debt| !debt.optional);
        self.debts.iter().filter(|(_, debts)| certain(debts)).map(|(what, _)| *what).collect()
    }
}
