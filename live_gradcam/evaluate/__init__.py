"""A data set in, a verdict out: is the classifier looking at the right thing?

``dataset`` and ``annotations`` find pictures and the truth about them, ``measures`` holds the
definitions, ``examine`` measures one picture, ``sanity`` the method itself, ``state`` keeps what is
done, ``summary`` draws the conclusions, ``table``, ``outputs`` and ``report`` write them down.
"""
