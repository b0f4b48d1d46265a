"""What a row of each type holds, and how bad ones are noticed."""
