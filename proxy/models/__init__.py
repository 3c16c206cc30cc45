"""The wire: what clients and servers send each other, as models that lose nothing."""
