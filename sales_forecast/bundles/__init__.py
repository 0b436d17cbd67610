"""What a training leaves for the service: form, folder, where it is found."""
