"""The ``meshagent.*`` names: programs written for MeshAgent find our classes under them."""
