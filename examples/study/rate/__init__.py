"""What a compression ratio is in bytes: the rate-distortion study.

`grid` has the settings, `measurement` what is measured at each, `classifier` who reads digits.
`autoencoders`, `pca` and `image_codecs` make bytes of images and images of bytes, one unit of
`work` at a time. What came out: `points`, averaged over seeds; `curves` through them; what is read
off, in `findings`; `table` and `figure` to look at; `summary` writes them.
"""
