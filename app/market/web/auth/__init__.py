"""Who is signed in: sessions, tokens, sign-in with Ethereum."""
