"""From a .tflite file to what the firmware links in: image, C array, golden vectors, card."""
