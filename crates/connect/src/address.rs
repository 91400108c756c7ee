//! Which addresses are on the public internet. Everything that is not certainly there is not.
