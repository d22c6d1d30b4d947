//! The XMPP bridge. Empty until its own milestone; the crate exists so that the boundary does.
