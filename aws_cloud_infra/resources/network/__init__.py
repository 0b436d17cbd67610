"""Where things live on the network, and who may talk to whom."""
