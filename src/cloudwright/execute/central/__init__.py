"""What a cloud has once: databases, the queue, Keystone, and the ways to its APIs."""
