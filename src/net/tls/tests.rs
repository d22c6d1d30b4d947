//! Files and what is wrong with them; certificates that change under living connections.
